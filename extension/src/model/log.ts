/**
 * What a job printed, as lines: a ring of the newest, each with its rank. Pieces come with the place of their
 * first byte, so that a line is neither lost nor doubled after a reconnect; what is missing is a line of its own.
 */
import { plain } from './ansi';
import type { Gap, LogPiece } from './types';

/** A line, or what stands in the place of those that are missing. */
export interface Line {
  /** Grows by one with each; never given twice. */
  number: number;
  rank: number | null;
  /** As printed: with `\r` and escape sequences. */
  text: string;
  /** What is missing here; null in a line that was printed. */
  gap: Missing | null;
}

export interface Missing {
  rank: number | null;
  start: number;
  end: number | null;
  /** `skipped` can be had from the server; anything else is a sentence that says why it is lost. */
  why: string;
}

interface Tail {
  /** Bytes of this rank that were told, up to where. */
  have: number;
  /** The line that has no end yet. */
  open: Line | null;
}

/** A line that is never ended is cut here, so that no job makes it grow for ever. */
const LONGEST = 100_000;

export class LogStore {
  /** @param most lines that are held; older ones are dropped. */
  constructor(readonly most = 100_000) {}

  /** Grows with each change. */
  version = 0;
  /** Changes when lines have come or gone elsewhere than at the end. */
  generation = 0;
  /** Lines that were dropped because there were more than the ring holds. */
  dropped = 0;

  get lines(): readonly Line[] {
    return this._lines;
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
    this._close(tail);
    this._push(gap.rank, '', {
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
    const index = this._lines.findIndex(line => line.gap === missing);
    if (index < 0) {
      return;
    }
    const text = pieces.map(piece => piece.text).join('');
    const parts = text.split('\n');
    const whole = missing.end !== null && next >= missing.end;
    // What is after the last line's end goes on below, or is the last of it.
    if (parts[parts.length - 1] === '') {
      parts.pop();
    }
    const lines: Line[] = parts.map(part => ({
      number: this._next++,
      rank: missing.rank,
      text: part,
      gap: null
    }));
    if (!whole) {
      lines.push({ number: this._next++, rank: missing.rank, text: '', gap: { ...missing, start: next } });
    }
    this._lines.splice(index, 1, ...lines);
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
    let at = this._lines.length;
    let next = wanted.length;
    while (next > 0 && at > 0) {
      const line = this._lines[--at];
      const text = plain(line.text).trimEnd();
      if (line.gap || (line.rank !== rank && line.rank !== null && rank !== null) || (text && text !== wanted[--next])) {
        return 0;
      }
    }
    return next === 0 && wanted.length ? this._lines.length - at : 0;
  }

  /** Forget everything. */
  clear(): void {
    this._lines = [];
    this._tails.clear();
    this.generation++;
    this.dropped = 0;
    this.version++;
  }

  /** Lines of one rank, or of all, that have the text in them, whatever its case. */
  matching(rank: number | null, query: string): Line[] {
    return this._lines.filter(matcher(rank, query));
  }

  /** Index of the first line that may still change: those before it have their ends. */
  get settled(): number {
    let first = this._lines.length;
    this._tails.forEach(tail => {
      if (tail.open) {
        first = Math.min(first, this._lines.lastIndexOf(tail.open));
      }
    });
    return Math.max(first, 0);
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
      this._close(tail);
      this._push(piece.rank, '', missing);
    }
    tail.have = end;
    let from = 0;
    for (let to = text.indexOf('\n'); to >= 0; to = text.indexOf('\n', from)) {
      this._extend(tail, piece.rank, text.slice(from, to));
      this._close(tail);
      from = to + 1;
    }
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
    if (!tail.open) {
      tail.open = this._push(rank, '', null);
    }
    tail.open.text = shortened(tail.open.text + text);
    if (tail.open.text.length >= LONGEST) {
      this._close(tail);
    }
  }

  private _close(tail: Tail): void {
    tail.open = null;
  }

  private _push(rank: number | null, text: string, gap: Missing | null): Line {
    const line = { number: this._next++, rank, text, gap };
    this._lines.push(line);
    return line;
  }

  private _trim(): void {
    // A tenth more than it holds, so that it is not copied for each line.
    if (this._lines.length > this.most * 1.1) {
      const more = this._lines.length - this.most;
      this._lines = this._lines.slice(more);
      this.generation++;
      this.dropped += more;
    }
  }

  private _lines: Line[] = [];
  private _next = 0;
  private _tails = new Map<number | null, Tail>();
}

/** A bar that is drawn anew again and again is kept as its last two drawings: the rest was overwritten. */
function shortened(text: string): string {
  if (text.length < 2000) {
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
