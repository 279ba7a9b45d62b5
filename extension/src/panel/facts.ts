/** What is known of one kind of hardware: each number with where it is from and how old it is. */
import { highest, total } from '../model/feed';
import type { Backend, Device, Figure, Telemetry } from '../model/types';
import { duration, heat, joined, known, power, provenance } from '../model/units';
import type { Trans } from '../model/words';

/** One line: a quantity, its number, and what is to be known of that. */
export interface Fact {
  label: string;
  value: string;
  /** Where it is from and how old it is, or why it is not known. */
  note: string;
}

/** What a row shows of a backend. */
export interface Seen {
  watts: number | null;
  celsius: number | null;
  slowed: boolean;
  facts: Fact[];
}

const UNKNOWN = '—';

/** How old a number is: `now`, `12 s ago`; empty where that is not told. */
export function age(seen: number | null | undefined, now: number, trans: Trans): string {
  if (!known(seen)) {
    return '';
  }
  const seconds = Math.max(now - seen, 0);
  return seconds < 1 ? trans.__('now') : trans.__('%1 ago', duration(Math.floor(seconds)));
}

/** A number of devices or cores. */
export function whole(value: number | null | undefined): string {
  return known(value) ? Number(value.toFixed(1)).toLocaleString('en-US') : UNKNOWN;
}

/** The devices of a backend among those that a target's telemetry tells of. */
export function devicesOf(backend: Backend, others: readonly Backend[], telemetry: Telemetry | null): Device[] {
  const devices = telemetry?.devices ?? [];
  if (backend.name === 'cpu') {
    return devices.filter(device => device.kind === 'cpu');
  }
  const gpus = devices.filter(device => device.kind === 'gpu');
  const present = others.filter(each => each.name !== 'cpu' && (each.total ?? 0) > 0);
  if (present.length === 1 && present[0].name === backend.name) {
    return gpus;
  }
  return gpus.filter(device => backend.models.includes(device.name));
}

/** What is known of a backend at a time; `asked` is when the server was asked for it. */
export function seenOf(
  backend: Backend,
  all: readonly Backend[],
  telemetry: Telemetry | null,
  asked: number,
  now: number,
  trans: Trans
): Seen {
  const devices = devicesOf(backend, all, telemetry);
  const watts = total(devices.map(device => device.power.value));
  const live = highest(devices.flatMap(device => Object.values(device.celsius)));
  const celsius = live ?? backend.celsius.value;
  const slowedNow = devices.some(device => (device.slowed ?? []).length > 0);
  const tells = devices.some(device => device.slowed !== null);
  const slowed = slowedNow || (!tells && (backend.slowed.value ?? 0) > 0);
  const said = (...parts: (string | false | null | undefined)[]) => parts.filter(Boolean).join(', ');
  const counted = said(backend.source, age(backend.seen ?? asked, now, trans));
  const figure = (label: string, of: Figure, value: string): Fact => ({
    label,
    value: of.value === null ? UNKNOWN : value,
    note: of.value === null ? of.why : said(of.source, of.why, age(of.seen, now, trans))
  });
  const fresh = telemetry ? age(telemetry.time, now, trans) : '';
  const measured = devices.find(device => device.power.value !== null)?.power;
  const unmeasured = devices.find(device => device.power.why)?.power.why ?? '';
  const facts: Fact[] = [
    {
      label: backend.name === 'cpu' ? trans.__('Free cores') : trans.__('Free'),
      value: trans.__('%1 of %2', whole(backend.free), whole(backend.total)),
      note: known(backend.free) ? counted : said(counted, backend.why)
    },
    {
      label: trans.__('Waiting'),
      value: whole(backend.queued),
      note: known(backend.queued) ? counted : ''
    },
    {
      label: trans.__('Power'),
      value: joined(power(watts)),
      note: measured ? said(provenance(measured), fresh) : unmeasured
    },
    live !== null
      ? { label: trans.__('Hottest'), value: joined(heat(live)), note: said(telemetry?.where, fresh) }
      : figure(trans.__('Hottest'), backend.celsius, joined(heat(backend.celsius.value)))
  ];
  if (backend.name !== 'cpu') {
    facts.push(
      figure(trans.__('Slowed by heat'), backend.slowed, whole(backend.slowed.value)),
      figure(trans.__('Power headroom'), backend.headroom, joined(power(backend.headroom.value)))
    );
  }
  return { watts, celsius, slowed, facts };
}
