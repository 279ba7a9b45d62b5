/** The types of the server, by the names that this package uses. They are generated; see `../api.ts`. */
import type { components } from '../api';

type Schemas = components['schemas'];

export type Backend = Schemas['Backend'];
export type Backends = Schemas['Backends'];
export type BulkResult = Schemas['BulkResult'];
export type ClientMessage = Schemas['ClientMessage'];
export type Device = Schemas['Device'];
export type Done = Schemas['Done'];
export type Fault = Schemas['Fault'];
export type Figure = Schemas['Figure'];
export type Form = Schemas['Form'];
export type Gap = Schemas['Gap'];
export type Happening = Schemas['Happening'];
export type Happenings = Schemas['Happenings'];
export type Health = Schemas['Health'];
export type Hello = Schemas['Hello'];
export type Job = Schemas['Job'];
export type JobPage = Schemas['JobPage'];
export type JobRow = Schemas['JobRow'];
export type JobState = Job['state'];
export type LogPage = Schemas['LogPage'];
export type LogPiece = Schemas['LogPiece'];
export type Manifests = Schemas['Manifests'];
export type May = Schemas['May'];
export type Options = Schemas['Options'];
export type Outcome = Schemas['Outcome'];
export type Parameter = Schemas['Parameter'];
export type Power = Schemas['Power'];
export type Problem = Schemas['Problem'];
export type Reading = Schemas['Reading'];
export type Readings = Schemas['Readings'];
export type Records = Schemas['Records'];
export type Begun = Schemas['Begun'];
export type RunRequest = Partial<Schemas['Run']> & Pick<Schemas['Run'], 'notebook' | 'output'>;
export type Sent = Schemas['Sent'];
export type ServerMessage = Schemas['ServerMessage'];
export type Snapshot = Schemas['Snapshot'];
export type Submit = Schemas['Submit'];
export type Submitted = Schemas['Submitted'];
export type Targets = Schemas['Targets'];
export type Telemetry = Schemas['Telemetry'];
export type Version = Schemas['Version'];

/** What this package was built for; the server says its own in `Version`. */
export const PROTOCOL = 1;

/** What a saved notebook holds of a job: its document, and what its card showed besides. */
export type CardData = Job & {
  headline: string;
  updated: number;
  log: { lines: { rank: number | null; text: string }[]; total: number };
  outputs: number;
  notes: string[];
  earlier?: { words: string };
};

/** The type of a card's data in an output. */
export const CARD_MIME = 'application/vnd.sovlab.job.v1+json';

const ENDED: ReadonlySet<string> = new Set(['succeeded', 'failed', 'cancelled']);
const ID = /^[a-z][a-z0-9-]{1,45}$/;

/** Whether a job in this state goes on no more. */
export function hasEnded(state: string): boolean {
  return ENDED.has(state);
}

/** Whether a value may be the id of a job; only such a one is ever put into a URL. */
export function isJobId(value: unknown): value is string {
  return typeof value === 'string' && ID.test(value);
}

/** Of a card's data that is looked at; what sovlab writes is a tenth of it. */
const MOST_VALUES = 20_000;
const MOST_CHARACTERS = 1_000_000;
const MOST_ITEMS = 2000;
const LONGEST = 120_000;
const DEEPEST = 12;

/** A part of a value that can be shown in little time: the first of long lists, the beginning of long texts. */
function bounded(value: unknown, left: { values: number; characters: number }, depth = 0): unknown {
  if (--left.values < 0 || depth > DEEPEST) {
    return null;
  }
  if (typeof value === 'string') {
    const most = Math.min(LONGEST, Math.max(left.characters, 0));
    left.characters -= value.length;
    return value.length > most ? `${value.slice(0, most)}…` : value;
  }
  if (Array.isArray(value)) {
    return value.slice(0, MOST_ITEMS).map(each => bounded(each, left, depth + 1));
  }
  if (typeof value === 'object' && value !== null) {
    const part: Record<string, unknown> = {};
    let count = 0;
    for (const key in value) {
      if (count++ >= MOST_ITEMS) {
        break;
      }
      if (key !== '__proto__') {
        part[key] = bounded((value as Record<string, unknown>)[key], left, depth + 1);
      }
    }
    return part;
  }
  return value;
}

/**
 * The data of a card out of a notebook, which anybody may have written: null if it is none. What is not as it
 * should be is left out rather than shown.
 */
export function cardData(value: unknown): CardData | null {
  if (typeof value !== 'object' || value === null) {
    return null;
  }
  const data = bounded(value, { values: MOST_VALUES, characters: MOST_CHARACTERS }) as Record<string, unknown>;
  if (!isJobId(data.id) || typeof data.name !== 'string' || typeof data.state !== 'string') {
    return null;
  }
  const text = (key: string) => (typeof data[key] === 'string' ? (data[key] as string) : '');
  const number = (key: string) =>
    typeof data[key] === 'number' && Number.isFinite(data[key]) ? (data[key] as number) : null;
  const list = <T>(items: unknown, fits: (item: any) => boolean): T[] =>
    Array.isArray(items) ? (items.filter(item => item !== null && fits(item)) as T[]) : [];
  const object = <T>(key: string): T | null =>
    typeof data[key] === 'object' && !Array.isArray(data[key]) ? (data[key] as T) : null;
  const log = object<Record<string, unknown>>('log');
  const progress = object<Record<string, unknown>>('progress');
  const energy = object<Record<string, unknown>>('energy');
  const error = object<Record<string, unknown>>('error');
  return {
    ...(data as unknown as CardData),
    name: data.name,
    target: text('target'),
    message: text('message'),
    headline: text('headline'),
    backend: text('backend') || null,
    host: text('host'),
    signal: text('signal'),
    python: text('python'),
    origin: text('origin'),
    submitted: number('submitted'),
    started: number('started'),
    ended: number('ended'),
    nodes: number('nodes'),
    gpus: number('gpus'),
    ahead: number('ahead'),
    max_rss: number('max_rss'),
    cpu_seconds: number('cpu_seconds'),
    exit_code: number('exit_code'),
    updated: number('updated') ?? 0,
    outputs: number('outputs') ?? 0,
    progress: (progress && typeof progress.metrics === 'object' && progress.metrics !== null
      ? progress
      : null) as Job['progress'],
    energy: (energy && Array.isArray(energy.groups) && Array.isArray(energy.devices)
      ? energy
      : null) as Job['energy'],
    error: (error && typeof error.traceback === 'string' ? error : null) as Job['error'],
    returned: list(data.returned, item => typeof item.name === 'string'),
    unreturned: list(data.unreturned, item => typeof item === 'string'),
    notes: list(data.notes, item => typeof item === 'string'),
    log: {
      lines: list(log?.lines, item => typeof item.text === 'string'),
      total: typeof log?.total === 'number' ? log.total : 0
    }
  };
}
