/**
 * Many lines as few objects: text as it came, in blocks, and where each line of it ends. A line is made an object
 * when somebody looks at it. A flood of lines kept as an object each would have the page stand still, again and
 * again, while the browser looks for those that nobody needs.
 */

/** A line, or what stands in the place of those that are missing. */
export interface Line {
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

interface Block {
  rank: number | null;
  /** Lines, each with its newline. */
  text: string;
  /** Where each newline is. */
  ends: number[];
  gap: Missing | null;
  /** Lines of the blocks before it. */
  before: number;
}

/** Characters after which a block takes no more lines, and so is not copied for each. */
const FULL = 32_768;

/** Lines that have their ends, in the order in which they came to them. */
export class Lines {
  get length(): number {
    const last = this._blocks[this._blocks.length - 1];
    return last ? last.before + last.ends.length : 0;
  }

  at(index: number): Line {
    const block = this._blocks[this._find(index)];
    return lineOf(block, index - block.before);
  }

  /** Call `visit` with each line from an index on. */
  each(from: number, visit: (line: Line) => void): void {
    for (let i = this._find(from); i < this._blocks.length; i++) {
      const block = this._blocks[i];
      for (let at = Math.max(from - block.before, 0); at < block.ends.length; at++) {
        visit(lineOf(block, at));
      }
    }
  }

  /** Add lines, each with its newline, at a stretch: for each a text of its own would be kept. */
  push(rank: number | null, text: string): void {
    if (!text) {
      return;
    }
    let block = this._blocks[this._blocks.length - 1];
    if (!block || block.rank !== rank || block.gap || block.text.length >= FULL) {
      block = { rank, text: '', ends: [], gap: null, before: this.length };
      this._blocks.push(block);
    }
    const before = block.text.length;
    block.text += text;
    for (let at = text.indexOf('\n'); at >= 0; at = text.indexOf('\n', at + 1)) {
      block.ends.push(before + at);
    }
  }

  pushGap(gap: Missing): void {
    this._blocks.push(gapBlock(gap, this.length));
  }

  /** Put lines, each with its newline, in the place of a gap, and what is left of it below them; false if there is no such gap. */
  replace(missing: Missing, text: string, left: Missing | null): boolean {
    const index = this._blocks.findIndex(block => block.gap === missing);
    if (index < 0) {
      return false;
    }
    const filled = new Lines();
    filled.push(missing.rank, text);
    this._blocks.splice(index, 1, ...filled._blocks, ...(left ? [gapBlock(left, 0)] : []));
    this._count();
    return true;
  }

  /** Drop the oldest, a block at a time, as long as there are `most` without them; how many those were. */
  trim(most: number): number {
    const all = this.length;
    let first = 0;
    while (first + 1 < this._blocks.length && all - this._blocks[first + 1].before >= most) {
      first++;
    }
    if (first) {
      this._blocks.splice(0, first);
      this._count();
    }
    return all - this.length;
  }

  clear(): void {
    this._blocks = [];
  }

  private _count(): void {
    let before = 0;
    for (const block of this._blocks) {
      block.before = before;
      before += block.ends.length;
    }
  }

  /** Index of the block in which a line is. */
  private _find(index: number): number {
    let [low, high] = [0, this._blocks.length - 1];
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if (this._blocks[middle].before <= index) {
        low = middle;
      } else {
        high = middle - 1;
      }
    }
    return low;
  }

  private _blocks: Block[] = [];
}

function lineOf({ rank, text, ends, gap }: Block, at: number): Line {
  return { rank, text: text.slice(at ? ends[at - 1] + 1 : 0, ends[at]), gap };
}

function gapBlock(gap: Missing, before: number): Block {
  return { rank: gap.rank, text: '', ends: [0], gap, before };
}
