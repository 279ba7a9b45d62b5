/** All that is told of one job while something on the page shows it. */
import { Signal } from '@lumino/signaling';
import { LogStore, type Missing } from './log';
import { Pace } from './pace';
import type { JobKey } from './problems';
import type { Rest } from './rest';
import type { Gap, Job, LogPiece, Power, Problem, Readings } from './types';

/** What the job's devices drew, and how hot the hottest was, at one time. */
export interface Sample {
  time: number;
  watts: number | null;
  celsius: number | null;
  slowed: boolean;
}

/** Samples that are held: as many as a curve can show. */
const MOST_SAMPLES = 1200;
/** Bytes of a gap that are fetched at a time. */
const PART = 256 << 10;
const SHOWN = ['gpu', 'cpu', 'node'];

export class JobFeed {
  constructor(
    readonly key: JobKey,
    private _rest: Pick<Rest, 'log' | 'power'>,
    mostLines?: number
  ) {
    this.log = new LogStore(mostLines);
  }

  readonly log: LogStore;
  readonly pace = new Pace();
  /** Anything of it has changed; what is shown is painted at the next frame, however often that is. */
  readonly changed = new Signal<this, void>(this);

  document: Job | null = null;
  /** When something was last told, in seconds since the epoch; what is shown without a connection is of then. */
  toldAt = 0;
  /** It has ended, and all of its log was told. */
  complete = false;
  /** Why it cannot be followed. */
  problem: Problem | null = null;
  readings: Readings | null = null;
  samples: Sample[] = [];

  take(document: Job, complete: boolean): void {
    this.document = document;
    this.pace.take(document.progress);
    this.complete = complete;
    this.problem = null;
    this._told();
  }

  print(pieces: readonly LogPiece[]): void {
    this.log.add(pieces);
    this._told();
  }

  skip(gap: Gap): void {
    this.log.skip(gap);
    this.changed.emit();
  }

  measure(readings: Readings): void {
    this.readings = readings;
    const devices = ofOneKind(readings.devices);
    this.samples.push({
      time: readings.time,
      watts: total(devices.map(device => device.power.value)),
      celsius: highest(devices.map(device => device.celsius)),
      slowed: devices.some(device => device.slowed.length > 0)
    });
    if (this.samples.length > MOST_SAMPLES * 1.1) {
      this.samples = this.samples.slice(-MOST_SAMPLES);
    }
    this._told();
  }

  fail(problem: Problem): void {
    this.problem = problem;
    this.changed.emit();
  }

  /** Fetch what was left out of the log, a part at a time. */
  async fetch(missing: Missing): Promise<void> {
    const limit = missing.end === null ? PART : Math.min(PART, missing.end - missing.start);
    const page = await this._rest.log(this.key, missing.rank, missing.start, limit);
    if (page.lost) {
      missing.why = page.lost;
    } else {
      this.log.fill(missing, page.pieces, page.next > missing.start ? page.next : (missing.end ?? page.next));
    }
    this.log.version++;
    this.changed.emit();
  }

  /** The curve from before this page looked. */
  async fetchPower(): Promise<void> {
    const power = await this._rest.power(this.key);
    this.power = power;
    const first = this.samples[0]?.time ?? Infinity;
    this.samples = [...samplesOf(power).filter(sample => sample.time < first), ...this.samples];
    this.changed.emit();
  }

  power: Power | null = null;

  private _told(): void {
    this.toldAt = Date.now() / 1000;
    this.changed.emit();
  }
}

/** Devices whose watts may be added: all of one kind. A processor's are in its machine's. */
export function ofOneKind<T extends { kind: string; power: { value: number | null } }>(devices: readonly T[]): T[] {
  for (const kind of SHOWN) {
    const some = devices.filter(device => device.kind === kind);
    if (some.some(device => device.power.value !== null)) {
      return some;
    }
  }
  return [];
}

/** The sum of what is known; null if nothing is. */
export function total(values: readonly (number | null)[]): number | null {
  const told = values.filter((value): value is number => value !== null);
  return told.length ? told.reduce((sum, value) => sum + value, 0) : null;
}

/** The highest of what is known; null if nothing is. */
export function highest(values: readonly (number | null)[]): number | null {
  const told = values.filter((value): value is number => value !== null);
  return told.length ? Math.max(...told) : null;
}

function samplesOf(power: Power): Sample[] {
  const kind = SHOWN.find(each => power.series.some(series => series.kind === each && series.points.length));
  const sums = new Map<number, number>();
  for (const series of power.series.filter(each => each.kind === kind)) {
    for (const [time, , mean] of series.points) {
      sums.set(Math.round(time), (sums.get(Math.round(time)) ?? 0) + mean);
    }
  }
  return [...sums]
    .sort((a, b) => a[0] - b[0])
    .map(([time, watts]) => ({ time, watts, celsius: null, slowed: false }));
}
