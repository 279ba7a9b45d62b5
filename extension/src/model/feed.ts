/** All that is told of one job while something on the page shows it. */
import { Signal } from '@lumino/signaling';
import { type Sample, thinned } from './curves';
import { LogStore, type Missing } from './log';
import { Pace } from './pace';
import type { JobKey } from './problems';
import type { Rest } from './rest';
import type { Gap, Job, LogPiece, Power, Problem, Reading, Readings } from './types';

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
      this.samples = thinned(this.samples, MOST_SAMPLES);
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
    const before = samplesOf(power).filter(sample => sample.time + (sample.seconds ?? 0) <= first);
    this.samples = [...before, ...this.samples];
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

/** The kind of devices whose power a curve is of; null if there are none. */
export function kindOf(power: Power): string | null {
  return SHOWN.find(kind => power.series.some(series => series.kind === kind && series.points.length)) ?? null;
}

/** Where the watts of a curve are from; null if nothing is known of that, as of an older server. */
export function sourceOf(power: Power): Reading['source'] | null {
  const kind = kindOf(power);
  return power.series.find(series => series.kind === kind && series.points.length)?.source ?? null;
}

function samplesOf(power: Power): Sample[] {
  const kind = kindOf(power);
  const series = power.series.filter(each => each.kind === kind && each.points.length);
  const times = new Map<number, { watts: number; seconds: number; count: number }>();
  for (const { points } of series) {
    for (const [time, seconds, mean] of points) {
      const at = times.get(Math.round(time)) ?? { watts: 0, seconds, count: 0 };
      at.watts += mean;
      at.count++;
      at.seconds = Math.min(at.seconds, seconds);
      times.set(Math.round(time), at);
    }
  }
  const ranges = series.map(({ points }) => [points[0][0], points[points.length - 1][0]]);
  const measured = (time: number) => ranges.filter(([from, to]) => from <= time + 0.5 && time - 0.5 <= to).length;
  return [...times]
    .sort((a, b) => a[0] - b[0])
    .map(([time, { watts, seconds, count }]) => ({
      time,
      // A sum of which a part is missing would be a dip that there was not.
      watts: count >= measured(time) ? watts : null,
      celsius: null,
      slowed: false,
      seconds
    }));
}
