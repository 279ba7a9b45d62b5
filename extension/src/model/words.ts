/** What is said of a job, from its document: state, place, progress, facts. */
import type { Job, JobRow, Reading } from './types';
import { hasEnded } from './types';
import { bytes, clock, duration, energy, heat, joined, known, metric, percent, power, provenance, time } from './units';

/** As much of JupyterLab's `TranslationBundle` as is needed here; the card has no other tie to it. */
export interface Trans {
  __(message: string, ...values: any[]): string;
  _n(singular: string, plural: string, n: number, ...values: any[]): string;
}

/** Leaves everything in English, where nobody translates. */
export const english: Trans = {
  __: (message, ...values) => filled(message, values),
  _n: (singular, plural, n, ...values) => filled(n === 1 ? singular : plural, [n, ...values])
};

function filled(message: string, values: any[]): string {
  return message.replace(/%(\d+)/g, (all, index) => {
    const value = values[Number(index) - 1];
    return value === undefined ? all : String(value);
  });
}

/** How a state is shown: its colour is a class, never the only sign. */
export type Tone = 'running' | 'good' | 'bad' | 'waiting' | 'warned';

export function tone(state: string): Tone {
  switch (state) {
    case 'running':
      return 'running';
    case 'succeeded':
      return 'good';
    case 'failed':
      return 'bad';
    case 'cancelled':
    case 'unknown':
      return 'warned';
    default:
      return 'waiting';
  }
}

/** The state in one word. */
export function stateWord(state: string, trans: Trans): string {
  const words: Record<string, string> = {
    pending: trans.__('waiting'),
    queued: trans.__('waiting'),
    suspended: trans.__('suspended'),
    running: trans.__('running'),
    succeeded: trans.__('succeeded'),
    failed: trans.__('failed'),
    cancelled: trans.__('cancelled'),
    unknown: trans.__('unknown')
  };
  return words[state] ?? trans.__('unknown');
}

type Timed = Pick<Job, 'state' | 'reason' | 'message' | 'submitted' | 'started' | 'ended'>;

/** Seconds that a job has run: until now, or until it ended; null if that is not known. */
export function elapsed(job: Pick<Job, 'state' | 'started' | 'ended'>, now: number): number | null {
  if (!known(job.started)) {
    return null;
  }
  const end = hasEnded(job.state) ? job.ended : now;
  return known(end) ? Math.max(end - job.started, 0) : null;
}

/** The one line that says the state: `running 2 min 14 s`, `failed after 3 s`. */
export function headline(job: Timed & { error?: Job['error'] }, now: number, trans: Trans): string {
  const seconds = elapsed(job, now);
  const took = seconds === null ? '' : duration(seconds);
  switch (job.state) {
    case 'running':
      return seconds !== null && seconds >= 1 ? trans.__('running %1', clock(seconds)) : trans.__('running');
    case 'succeeded':
      return took ? trans.__('succeeded in %1', took) : trans.__('succeeded');
    case 'cancelled':
      return took ? trans.__('cancelled after %1', took) : trans.__('cancelled before it started');
    case 'failed': {
      const reasons: Record<string, string> = {
        timeout: trans.__('ran out of time'),
        limit: trans.__('was stopped at its limit'),
        killed: trans.__('was killed'),
        out_of_memory: trans.__('ran out of memory'),
        lost: trans.__('was lost'),
        payload: trans.__('could not load its payload'),
        runner: trans.__('failed in its runner')
      };
      const words = reasons[job.reason] ?? trans.__('failed');
      const whole = took ? trans.__('%1 after %2', words, took) : words;
      return job.reason === 'user_error' && job.error?.type ? `${whole}: ${job.error.type}` : whole;
    }
    case 'pending':
    case 'queued':
    case 'suspended': {
      const word = job.state === 'suspended' ? trans.__('suspended') : trans.__('waiting');
      const since = known(job.submitted) ? now - job.submitted : 0;
      return since >= 1 ? `${word} ${clock(since)}` : word;
    }
    default:
      return trans.__('state unknown');
  }
}

/** What the headline does not say, as one sentence; often empty. */
export function sentence(job: Timed & { error?: Job['error'] }): string {
  const message = job.message.trim();
  if (!message || job.state === 'cancelled' || job.error?.traceback) {
    return '';
  }
  const rest = message.replace(/^waiting:\s*/, '');
  return rest === 'waiting' ? '' : rest.charAt(0).toUpperCase() + rest.slice(1);
}

/** What hardware a job was given: `cuda, 2 × 4 GPUs`. */
export function hardware(job: Pick<Job, 'backend' | 'nodes' | 'gpus'>, trans: Trans): string {
  const parts = job.backend ? [job.backend] : [];
  const nodes = known(job.nodes) && job.nodes > 1 ? trans._n('%1 node', '%1 nodes', job.nodes) : '';
  const gpus = known(job.gpus) && job.gpus > 0 ? trans._n('%1 GPU', '%1 GPUs', job.gpus) : '';
  if (nodes || gpus) {
    parts.push([nodes, gpus].filter(Boolean).join(' × '));
  }
  return parts.join(', ');
}

/** Hardware, target and host in one line. */
export function place(job: Pick<Job, 'backend' | 'nodes' | 'gpus' | 'target' | 'host'>, trans: Trans): string {
  const where = [job.target, job.host].filter(Boolean).join(' / ');
  return [hardware(job, trans), where].filter(Boolean).join(' · ');
}

/** Step and metrics: `31 of 50 · loss 0.084`; empty if nothing was reported. */
export function progressWords(job: Pick<Job, 'progress'>, trans: Trans): string {
  const progress = job.progress;
  if (!progress) {
    return '';
  }
  const step = metric(progress.step);
  const first = progress.total
    ? trans.__('step %1 of %2', step, metric(progress.total))
    : trans.__('step %1', step);
  const metrics = Object.entries(progress.metrics)
    .slice(0, 8)
    .map(([name, value]) => `${name.slice(0, 60)} ${metric(value)}`);
  return [first, ...metrics].join(' · ');
}

/** `about 1 min 20 s left`, rounded to what such a guess is worth. */
export function timeLeft(seconds: number | null | undefined, trans: Trans): string {
  if (!known(seconds)) {
    return '';
  }
  if (seconds < 5) {
    return trans.__('a few seconds left');
  }
  const units: [number, number][] = [
    [60, 5],
    [600, 10],
    [3600, 60],
    [36000, 300]
  ];
  const unit = units.find(([below]) => seconds < below)?.[1] ?? 3600;
  return trans.__('about %1 left', duration(Math.max(Math.round(seconds / unit), 1) * unit));
}

/** The right-hand figure of a job's row: how far, how long, how much. */
export function figure(row: JobRow, now: number): string {
  if (row.state === 'running') {
    return known(row.fraction) ? percent(row.fraction) : clock(elapsed(row, now) ?? 0);
  }
  if (!hasEnded(row.state)) {
    return known(row.submitted) ? clock(now - row.submitted) : '';
  }
  return known(row.energy?.value) ? joined(energy(row.energy.value)) : known(row.ended) ? time(row.ended, now) : '';
}

/** One line of the table of a job that has ended. */
export interface Fact {
  label: string;
  text: string;
  bad?: boolean;
  /** What is said of it besides, in a tooltip. */
  why?: string;
}

/** The table of a job that has ended. */
export function facts(job: Job, trans: Trans): Fact[] {
  const rows: Fact[] = [];
  const where = [hardware(job, trans), job.host].filter(Boolean).join(trans.__(' on '));
  if (where && known(job.started)) {
    rows.push({ label: trans.__('Hardware'), text: job.python ? `${where}, Python ${job.python}` : where });
  }
  if (job.progress) {
    rows.push({ label: trans.__('Reached'), text: progressWords(job, trans) });
  }
  if (job.max_rss) {
    const cpu = known(job.cpu_seconds) ? trans.__(', %1 of CPU time', duration(job.cpu_seconds)) : '';
    rows.push({ label: trans.__('Memory'), text: trans.__('%1 at its peak', bytes(job.max_rss)) + cpu });
  }
  rows.push(...energyFacts(job, trans));
  if (job.signal) {
    rows.push({ label: trans.__('Signal'), text: job.signal });
  }
  const good = job.returned.filter(name => !name.error);
  if (good.length) {
    const label = job.state === 'succeeded' ? trans.__('Returned') : trans.__('Kept');
    rows.push({ label, text: good.map(name => returnedWords(name, trans)).join(', ') });
  }
  for (const name of job.returned.filter(each => each.error)) {
    rows.push({ label: trans.__('Not returned'), text: `${name.name}: ${name.error}`, bad: true });
  }
  if (job.unreturned.length && job.state === 'succeeded') {
    const text = trans.__('%1; bring it back with --out', job.unreturned.join(', '));
    rows.push({ label: trans.__('Left behind'), text });
  }
  return rows;
}

function returnedWords(name: Job['returned'][number], trans: Trans): string {
  const kind = String(name.type ?? '').split('.').pop();
  const size = name.size ? bytes(name.size) : '';
  const details = [kind, name.detail, size].filter(Boolean).join(', ');
  const shown = name.name === 'return' ? trans.__('return value') : name.name;
  return details ? `${shown} (${details})` : shown;
}

function energyFacts(job: Job, trans: Trans): Fact[] {
  const report = job.energy;
  if (!report) {
    return [];
  }
  const rows: Fact[] = [];
  const groups = report.groups ?? [];
  const measured = groups.filter(group => known(group.energy?.value));
  for (const group of measured.length ? measured : groups.slice(0, 1)) {
    rows.push({ label: rows.length ? '' : trans.__('Energy'), text: groupWords(group, trans) });
  }
  if (!groups.length) {
    const why = Object.values(report.unavailable ?? {}).join('\n');
    rows.push({ label: trans.__('Energy'), text: trans.__('— not measured here'), why });
  }
  const places = (report.devices ?? []).flatMap(device =>
    Object.values(device.hottest ?? {})
      .filter(known)
      .map(celsius => ({ celsius, device }))
  );
  if (places.length) {
    const top = places.reduce((a, b) => (b.celsius > a.celsius ? b : a));
    const margin = known(top.device.margin)
      ? trans.__(', %1 below slowing', joined(heat(top.device.margin)))
      : '';
    rows.push({ label: trans.__('Hottest'), text: joined(heat(top.celsius)) + margin });
  }
  const slowed = (report.devices ?? []).flatMap(device =>
    Object.entries(device.slowed ?? {}).map(([cause, share]) => ({ cause, share, device }))
  );
  for (const { cause, share, device } of slowed) {
    if ((cause === 'heat' || cause === 'facility') && known(share) && share >= 0.01) {
      const words = cause === 'heat' ? trans.__('by heat') : trans.__('by the power brake');
      const text = trans.__('%1 for %2 of the time on %3', words, percent(share), deviceName(device));
      rows.push({ label: trans.__('Slowed'), text, bad: true });
    }
  }
  return rows;
}

function groupWords(group: { name: string; energy: Reading; mean: number | null; peak: number | null }, trans: Trans) {
  const reading = group.energy;
  if (!known(reading.value)) {
    return `— (${reading.why || trans.__('not measured')})`;
  }
  const whose = group.name === 'processors' ? trans.__('processors ') : '';
  const parts = [`${whose}${joined(energy(reading.value))} (${provenance(reading)})`];
  if (known(group.mean)) {
    parts.push(trans.__('mean %1', joined(power(group.mean))));
  }
  if (known(group.peak)) {
    parts.push(trans.__('peak %1', joined(power(group.peak))));
  }
  return parts.join(', ');
}

/** What a device is called: `GPU 1`, or its name where it has no number. */
export function deviceName(device: { kind: string; name: string; index: number | null; id: string }): string {
  if (device.kind === 'gpu' && known(device.index)) {
    return `GPU ${device.index}`;
  }
  return device.name || device.id;
}
