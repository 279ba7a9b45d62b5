/** The lines of a log that fit: of what has come since the last look, only that is looked at. */
import { type Line, type LogStore, matcher } from '../model/log';

export class Filter {
  /** @returns the lines of one rank, or of all, that have the text in them. */
  apply(log: LogStore, rank: number | null, query: string): readonly Line[] {
    const of = `${rank} ${query}`;
    if (log !== this._log || of !== this._of || log.generation !== this._generation) {
      this._log = log;
      this._of = of;
      this._generation = log.generation;
      this._settled = this._kept = 0;
      this._found = [];
    }
    const fits = matcher(rank, query);
    // Lines that had no end yet when they were looked at are looked at again.
    this._found.length = this._kept;
    const settled = log.settled;
    let at = this._settled;
    log.each(at, line => {
      if (at++ === settled) {
        this._kept = this._found.length;
      }
      if (fits(line)) {
        this._found.push(line);
      }
    });
    if (settled === log.length) {
      this._kept = this._found.length;
    }
    this._settled = settled;
    return this._found;
  }

  private _found: Line[] = [];
  private _generation = 0;
  private _kept = 0;
  private _log: LogStore | null = null;
  private _of = '';
  private _settled = 0;
}
