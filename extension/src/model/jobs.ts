/**
 * The jobs of a target as the page knows them: the newest and those that go on, as the socket tells them, and the
 * pages of the others that somebody has looked at. Sorting and filtering are done here while all of the target's
 * jobs are known, by the server otherwise.
 */
import { Signal } from '@lumino/signaling';
import type { Rest } from './rest';
import type { Health, JobPage, JobRow, Problem, Records, Snapshot } from './types';
import { hasEnded } from './types';

export type SortKey = 'submitted' | 'started' | 'ended' | 'name' | 'state' | 'backend' | 'energy' | 'ran';

/** What of the jobs is shown, and in which order. */
export interface View {
  q: string;
  /** States, or none for all. */
  states: readonly string[];
  sort: SortKey;
  order: 'asc' | 'desc';
}

export const DEFAULT_VIEW: View = { q: '', states: [], sort: 'submitted', order: 'desc' };

const PAGE = 100;
/** Milliseconds after a change until the pages in view are asked for anew. */
const SETTLE = 400;

export class JobList {
  constructor(
    readonly target: string,
    private _rest: Pick<Rest, 'jobs'>,
    private _settle = SETTLE
  ) {}

  readonly changed = new Signal<this, void>(this);

  counts: Record<string, number> = {};
  total = 0;
  health: Health | null = null;
  /** Why the last page could not be had. */
  problem: Problem | null = null;
  /** Whether the first answer has come. */
  known = false;

  get view(): View {
    return this._view;
  }

  /** Whether all jobs of the target are known here. */
  get isWhole(): boolean {
    return this.known && this._rows.size >= this.total;
  }

  /** How many jobs the view has. */
  get length(): number {
    return this.isWhole ? this._sorted().length : this._length ?? 0;
  }

  /** A job of the view; null while it is fetched. */
  at(index: number): JobRow | null {
    if (this.isWhole) {
      return this._sorted()[index] ?? null;
    }
    const id = this._pages.get(Math.floor(index / PAGE))?.[index % PAGE];
    return (id !== undefined && this._rows.get(id)) || null;
  }

  get(id: string): JobRow | undefined {
    return this._rows.get(id);
  }

  /** Those that go on. */
  get active(): JobRow[] {
    return [...this._rows.values()].filter(row => !hasEnded(row.state) && row.state !== 'unknown');
  }

  show(view: Partial<View>): void {
    this._view = { ...this._view, ...view };
    this._forget();
    this._length = null;
    this.changed.emit();
    if (!this.isWhole) {
      this.ensure(0, 1);
    }
  }

  /** See to it that these rows are known: they are in view. */
  ensure(first: number, end: number): void {
    this._window = [first, end];
    if (this.isWhole || !this.known) {
      return;
    }
    for (let page = Math.floor(first / PAGE); page * PAGE < Math.max(end, 1); page++) {
      if (!this._pages.has(page) && !this._asked.has(page)) {
        void this._fetch(page);
      }
    }
  }

  snapshot(message: Snapshot): void {
    this._rows = new Map(message.jobs.map(row => [row.id, row]));
    this.known = true;
    this._forget();
    this._take(message);
    this.ensure(...this._window);
    this.changed.emit();
  }

  /** @returns rows that were known before and are in another state now, with the state that they were in. */
  records(message: Records): { row: JobRow; before: string }[] {
    const turned: { row: JobRow; before: string }[] = [];
    for (const row of message.jobs) {
      const before = this._rows.get(row.id);
      if (before && before.state !== row.state) {
        turned.push({ row, before: before.state });
      }
      this._rows.set(row.id, row);
    }
    message.removed.forEach(id => this._rows.delete(id));
    const other = message.removed.length > 0 || message.total !== this.total || turned.length > 0;
    this._take(message);
    if (!this.isWhole && other) {
      this._refresh();
    }
    this._order = null;
    this.changed.emit();
    return turned;
  }

  private _take(message: { total: number; counts: Record<string, number> }): void {
    this.total = message.total;
    this.counts = message.counts;
    this._order = null;
  }

  private _sorted(): JobRow[] {
    if (!this._order) {
      const { q, states, sort, order } = this._view;
      const wanted = q.trim().toLowerCase();
      const fits = (row: JobRow) =>
        (!states.length || states.includes(row.state)) &&
        (!wanted ||
          [row.name, row.id, row.origin, row.message].some(text => text.toLowerCase().includes(wanted)));
      this._order = [...this._rows.values()].filter(fits).sort(comparison(sort, order));
    }
    return this._order;
  }

  private _forget(): void {
    this._order = null;
    this._pages.clear();
    this._asked.clear();
    this._generation++;
  }

  private _refresh(): void {
    clearTimeout(this._timer);
    this._timer = setTimeout(() => {
      // The rows in view stay until their new page has come.
      this._asked.clear();
      this._generation++;
      const [first, end] = this._window;
      for (const page of [...this._pages.keys()]) {
        if ((page + 1) * PAGE <= first || page * PAGE >= end) {
          this._pages.delete(page);
        }
      }
      for (let page = Math.floor(first / PAGE); page * PAGE < Math.max(end, 1); page++) {
        void this._fetch(page);
      }
    }, this._settle);
  }

  private async _fetch(page: number): Promise<void> {
    const generation = this._generation;
    const { q, states, sort, order } = this._view;
    this._asked.add(page);
    let answer: JobPage;
    try {
      const state = states.length ? states.join(',') : undefined;
      const target = this.target;
      answer = await this._rest.jobs({ target, q: q.trim(), state, sort, order, page, size: PAGE });
    } catch (error) {
      if (generation === this._generation) {
        this._asked.delete(page);
        this.problem = (error as { problem?: Problem }).problem ?? null;
        this.changed.emit();
      }
      return;
    }
    if (generation !== this._generation) {
      return;
    }
    this.problem = null;
    this._asked.delete(page);
    answer.jobs.forEach(row => this._rows.set(row.id, row));
    this._pages.set(page, answer.jobs.map(row => row.id));
    this._length = answer.total;
    this._order = null;
    this.changed.emit();
  }

  private _asked = new Set<number>();
  private _generation = 0;
  private _length: number | null = null;
  private _order: JobRow[] | null = null;
  private _pages = new Map<number, string[]>();
  private _rows = new Map<string, JobRow>();
  private _timer: ReturnType<typeof setTimeout> | undefined;
  private _view: View = DEFAULT_VIEW;
  private _window: [number, number] = [0, 50];
}

/** An order of rows; what is not known comes last, whichever way. */
function comparison(sort: SortKey, order: 'asc' | 'desc'): (a: JobRow, b: JobRow) => number {
  const sign = order === 'asc' ? 1 : -1;
  const value = (row: JobRow): string | number | null => {
    switch (sort) {
      case 'name':
        return row.name.toLowerCase();
      case 'state':
        return row.state;
      case 'backend':
        return row.backend;
      case 'energy':
        return row.energy?.value ?? null;
      case 'ran':
        return row.started === null ? null : (row.ended ?? Date.now() / 1000) - row.started;
      default:
        return row[sort];
    }
  };
  return (a, b) => {
    const [left, right] = [value(a), value(b)];
    if (left === null || right === null) {
      return left === right ? (a.id < b.id ? -1 : 1) : left === null ? 1 : -1;
    }
    return left < right ? -sign : left > right ? sign : a.id < b.id ? -1 : 1;
  };
}
