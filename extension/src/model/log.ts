/**
 * What a job printed, as lines: a ring of the newest, each with its rank. Pieces come with the place of their
 * first byte, so that a line is neither lost nor doubled after a reconnect; what is missing is a line of its own.
 */
import { plain } from './ansi';
import { type Line, Lines, type Missing } from './lines';
import type { Gap, LogPiece } from './types';

export type { Line, Missing } from './lines';

interface Tail {
  /** Bytes of this rank that were told, up to where. */
  have: number;
  /** The line that has no end yet; null if there is none. */
  open: string | null;
}

/** A line that is never ended is cut here, so that no job makes it grow for ever. */
const LONGEST = 100_000;
/** Characters from which on a line may be a bar that was drawn anew. */
const LONG = 2000;

export class LogStore {
  /** @param most lines that are held; older ones are dropped. */
  constructor(readonly most = 100_000) {}

  /** Grows with each change. */
  version = 0;
  /** Changes when lines have come or gone elsewhere than at the end. */
  generation = 0;
  /** Lines that were dropped because there were more than the ring holds. */
  dropped = 0;

  /** Lines that are held, with those that have no end yet: these are the last, whenever they were begun. */
  get length(): number {
    return this._lines.length + this._open.length;
  }

  slice(from: number, to = this.length): Line[] {
    const found: Line[] = [];
    for (let i = Math.max(from, 0); i < Math.min(to, this.length); i++) {
      found.push(i < this.settled ? this._lines.at(i) : this._open[i - this.settled]);
    }
    return found;
  }

  /** Call `visit` with each line from an index on. */
  each(from: number, visit: (line: Line) => void): void {
    this._lines.each(from, visit);
    this._open.slice(Math.max(from - this.settled, 0)).forEach(visit);
  }

  /** The ranks that have said something, in order. */
  get ranks(): number[] {
    return [...this._tails.keys()].filter((rank): rank is number => rank !== null).sort((a, b) => a - b);
  }

  /** Bytes that are known of each rank, as the server wants to hear it after a reconnect; null if of none. */
  have(): Record<string, number> | null {
    if (!this._tails.size) {
      return null;
    }
    const told: Record<string, number> = {};
    this._tails.forEach((tail, rank) => (told[rank === null ? '' : String(rank)] = tail.have));
    return told;
  }

  /** Take what was printed; what is known already is left out. */
  add(pieces: readonly LogPiece[]): void {
    for (const piece of pieces) {
      this._take(piece);
    }
    this._trim();
    this.version++;
  }

  /** Take a gap: what is between its ends is not told. */
  skip(gap: Pick<Gap, 'rank' | 'start' | 'end' | 'why'>): void {
    const tail = this._tail(gap.rank, gap.start);
    if (gap.end !== null && gap.end <= tail.have) {
      return;
    }
    this._close(tail, gap.rank);
    this._lines.pushGap({
      rank: gap.rank,
      start: Math.max(gap.start, tail.have),
      end: gap.end,
      why: gap.why
    });
    tail.have = gap.end ?? tail.have;
    this._trim();
    this.version++;
  }

  /** Put what the server had of a gap in its place; the rest of the gap, if any, stays below it. */
  fill(missing: Missing, pieces: readonly LogPiece[], next: number): void {
    const text = pieces.map(piece => piece.text).join('');
    const whole = missing.end !== null && next >= missing.end;
    // What is after the last line's end goes on below, or is the last of it.
    const ended = !text || text.endsWith('\n') ? text : `${text}\n`;
    if (!this._lines.replace(missing, ended, whole ? null : { ...missing, start: next })) {
      return;
    }
    this.generation++;
    this._trim();
    this.version++;
  }

  /**
   * How many lines at the end are a traceback that is shown by itself; 0 if it does not end so.
   *
   * @param traceback its lines, as the job's document has them.
   */
  endsWith(traceback: readonly string[], rank: number | null): number {
    const wanted = traceback.map(line => line.trimEnd()).filter(Boolean);
    let at = this.length;
    let next = wanted.length;
    while (next > 0 && at > 0) {
      const [line] = this.slice(--at, at + 1);
      const text = plain(line.text).trimEnd();
      if (line.gap || (line.rank !== rank && line.rank !== null && rank !== null) || (text && text !== wanted[--next])) {
        return 0;
      }
    }
    return next === 0 && wanted.length ? this.length - at : 0;
  }

  /** Forget everything. */
  clear(): void {
    this._lines.clear();
    this._tails.clear();
    this.generation++;
    this.dropped = 0;
    this.version++;
  }

  /** Lines of one rank, or of all, that have the text in them, whatever its case. */
  matching(rank: number | null, query: string): Line[] {
    const found: Line[] = [];
    const fits = matcher(rank, query);
    this.each(0, line => {
      if (fits(line)) {
        found.push(line);
      }
    });
    return found;
  }

  /** Index of the first line that may still change: those before it have their ends. */
  get settled(): number {
    return this._lines.length;
  }

  private get _open(): Line[] {
    const found: Line[] = [];
    this._tails.forEach(({ open }, rank) => {
      if (open !== null) {
        found.push({ rank, text: open, gap: null });
      }
    });
    return found;
  }

  /** All that is held as text, without colours; each line begins with its rank if there are several. */
  text(rank: number | null = null): string {
    const several = this.ranks.length > 1 && rank === null;
    const shown = (line: Line) =>
      line.gap ? `— ${line.gap.why} —` : several ? `${line.rank} ${plain(line.text)}` : plain(line.text);
    return this.matching(rank, '')
      .map(line => `${shown(line)}\n`)
      .join('');
  }

  private _take(piece: LogPiece): void {
    const tail = this._tail(piece.rank, piece.start);
    const end = piece.start + piece.bytes;
    if (end <= tail.have && piece.bytes > 0) {
      return;
    }
    let text = piece.text;
    if (piece.start < tail.have) {
      text = withoutBytes(text, tail.have - piece.start);
    } else if (piece.start > tail.have) {
      const missing = { rank: piece.rank, start: tail.have, end: piece.start, why: 'skipped' };
      this._close(tail, piece.rank);
      this._lines.pushGap(missing);
    }
    tail.have = end;
    // Lines that are whole and short are taken together.
    let [begin, from] = [0, 0];
    for (let to = text.indexOf('\n'); to >= 0; to = text.indexOf('\n', from)) {
      if (tail.open !== null || to - from >= LONG) {
        this._lines.push(piece.rank, text.slice(begin, from));
        this._extend(tail, piece.rank, text.slice(from, to));
        this._close(tail, piece.rank);
        begin = to + 1;
      }
      from = to + 1;
    }
    this._lines.push(piece.rank, text.slice(begin, from));
    if (from < text.length) {
      this._extend(tail, piece.rank, text.slice(from));
    }
  }

  private _tail(rank: number | null, start: number): Tail {
    let tail = this._tails.get(rank);
    if (!tail) {
      tail = { have: start, open: null };
      this._tails.set(rank, tail);
    }
    return tail;
  }

  private _extend(tail: Tail, rank: number | null, text: string): void {
    tail.open = shortened((tail.open ?? '') + text);
    if (tail.open.length >= LONGEST) {
      this._close(tail, rank);
    }
  }

  private _close(tail: Tail, rank: number | null): void {
    if (tail.open !== null) {
      this._lines.push(rank, `${tail.open}\n`);
      tail.open = null;
    }
  }

  private _trim(): void {
    const dropped = this._lines.trim(this.most);
    if (dropped) {
      this.generation++;
      this.dropped += dropped;
    }
  }

  private _lines = new Lines();
  private _tails = new Map<number | null, Tail>();
}

/** A bar that is drawn anew again and again is kept as its last two drawings: the rest was overwritten. */
function shortened(text: string): string {
  if (text.length < LONG) {
    return text;
  }
  const last = text.lastIndexOf('\r');
  const before = last > 0 ? text.lastIndexOf('\r', last - 1) : -1;
  return before > 0 ? text.slice(before) : text;
}

function withoutBytes(text: string, count: number): string {
  const encoded = new TextEncoder().encode(text);
  return encoded.length > count ? new TextDecoder().decode(encoded.subarray(count)) : '';
}

/** Whether a line is of a rank, or of any, and has a text in it. */
export function matcher(rank: number | null, query: string): (line: Line) => boolean {
  const wanted = query.toLowerCase();
  return line =>
    (rank === null || line.rank === rank) &&
    (!wanted || (line.gap === null && plain(line.text).toLowerCase().includes(wanted)));
}

/** A log of lines that were saved: those of a card, without the places of their bytes. */
export function savedLog(lines: readonly { rank: number | null; text: string }[]): LogStore {
  const log = new LogStore();
  const starts = new Map<number | null, number>();
  log.add(
    lines.map(line => {
      const rank = typeof line.rank === 'number' ? line.rank : null;
      const start = starts.get(rank) ?? 0;
      starts.set(rank, start + line.text.length + 1);
      return { rank, start, bytes: line.text.length + 1, text: `${line.text}\n` };
    })
  );
  return log;
}
