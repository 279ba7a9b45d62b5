/** Numbers as people read them, the same as in the package's other faces. Unknown is "—", never 0. */
import type { Reading } from './types';

export const UNKNOWN = '—';

const group = (value: number, places = 0) =>
  value.toLocaleString('en-US', { minimumFractionDigits: places, maximumFractionDigits: places });

function digits(value: number, places = 1): string {
  if (value >= 9.95 && places === 1) {
    return value >= 999.5 ? group(value) : value.toFixed(0);
  }
  return value < 99.95 ? value.toFixed(places) : value >= 999.5 ? group(value) : value.toFixed(1);
}

/** Whether a value is a number that can be shown. */
export function known(value: unknown): value is number {
  return typeof value === 'number' && Number.isFinite(value);
}

/** A number and its unit, apart. */
export type Amount = readonly [value: string, unit: string];

/** J as J, Wh or kWh. */
export function energy(joules: number | null | undefined): Amount {
  if (!known(joules)) {
    return [UNKNOWN, 'Wh'];
  }
  if (joules < 3600) {
    return [digits(joules), 'J'];
  }
  return joules < 36_000 ? [digits(joules / 3600), 'Wh'] : [digits(joules / 3.6e6, 3), 'kWh'];
}

/** W as W or kW. */
export function power(watts: number | null | undefined): Amount {
  if (!known(watts)) {
    return [UNKNOWN, 'W'];
  }
  return watts < 999.5 ? [digits(watts), 'W'] : [digits(watts / 1000), 'kW'];
}

/** °C, whole ones. */
export function heat(celsius: number | null | undefined): Amount {
  return [known(celsius) ? celsius.toFixed(0) : UNKNOWN, '°C'];
}

/** An amount in one text. */
export function joined(amount: Amount): string {
  return amount[0] === UNKNOWN ? UNKNOWN : `${amount[0]} ${amount[1]}`;
}

/** Bytes in powers of 1000. */
export function bytes(size: number | null | undefined): string {
  if (!known(size)) {
    return UNKNOWN;
  }
  for (const unit of ['B', 'kB', 'MB', 'GB']) {
    if (size < 999.5) {
      return unit === 'B' || size >= 99.95 ? `${size.toFixed(0)} ${unit}` : `${size.toFixed(1)} ${unit}`;
    }
    size /= 1000;
  }
  return size >= 99.95 ? `${size.toFixed(0)} TB` : `${size.toFixed(1)} TB`;
}

/** Seconds: `40 ms`, `0.4 s`, `38 s`, `3 min 38 s`, `2 h 5 min`, `3 d 4 h`. */
export function duration(seconds: number | null | undefined): string {
  if (!known(seconds)) {
    return UNKNOWN;
  }
  if (seconds < 0.0995) {
    return `${Math.round(Math.max(seconds, 0) * 1000)} ms`;
  }
  if (seconds < 9.95) {
    return `${seconds.toFixed(1)} s`;
  }
  const whole = Math.round(seconds);
  const steps: [string, string, number, number][] = [
    ['d', 'h', 86400, 3600],
    ['h', 'min', 3600, 60],
    ['min', 's', 60, 1]
  ];
  for (const [big, small, bigSeconds, smallSeconds] of steps) {
    if (whole >= bigSeconds) {
      const rest = Math.floor((whole % bigSeconds) / smallSeconds);
      return `${Math.floor(whole / bigSeconds)} ${big}${rest ? ` ${rest} ${small}` : ''}`;
    }
  }
  return `${whole} s`;
}

/** Seconds that still pass, whole ones. */
export function clock(seconds: number): string {
  const whole = Math.max(Math.floor(seconds), 0);
  return whole < 10 ? `${whole} s` : duration(whole);
}

/** A metric: four digits that mean something, and no more than 40 characters. */
export function metric(value: number | string | null | undefined): string {
  if (typeof value === 'number') {
    if (!Number.isFinite(value)) {
      return UNKNOWN;
    }
    if (Number.isInteger(value) && Math.abs(value) < 1e15) {
      return String(value);
    }
    const shown = value.toPrecision(4);
    return shown.includes('e') ? shown : String(Number(shown));
  }
  const text = String(value ?? UNKNOWN);
  return text.length <= 40 ? text : `${text.slice(0, 39)}…`;
}

/** A share as percent. */
export function percent(fraction: number | null | undefined): string {
  return known(fraction) ? `${Math.round(fraction * 100)} %` : UNKNOWN;
}

/** A time of the day, with the date if it is not today, in the browser's time zone. */
export function time(seconds: number | null | undefined, now = Date.now() / 1000): string {
  if (!known(seconds)) {
    return UNKNOWN;
  }
  const then = new Date(seconds * 1000);
  const two = (value: number) => String(value).padStart(2, '0');
  const ofDay = `${two(then.getHours())}:${two(then.getMinutes())}`;
  if (then.toDateString() === new Date(now * 1000).toDateString()) {
    return ofDay;
  }
  return `${then.getFullYear()}-${two(then.getMonth() + 1)}-${two(then.getDate())} ${ofDay}`;
}

/** The same time in UTC, for a tooltip. */
export function utc(seconds: number | null | undefined): string {
  return known(seconds) && Math.abs(seconds) < 8e12
    ? `${new Date(seconds * 1000).toISOString().slice(0, 19).replace('T', ' ')} UTC`
    : '';
}

const SOURCES: Record<Reading['source'], string> = {
  counter: 'counted',
  sampled: 'sampled',
  attributed: 'attributed',
  modelled: 'modelled',
  unavailable: 'not measured'
};

/** Where a number is from, in words. */
export function provenance(reading: Pick<Reading, 'source' | 'method'> & Partial<Reading>): string {
  const share =
    known(reading.coverage) && reading.coverage < 0.995 ? `, ${percent(reading.coverage)} of the time` : '';
  const source = SOURCES[reading.source] ?? SOURCES.unavailable;
  return reading.method ? `${source}, ${reading.method}${share}` : `${source}${share}`;
}
