/** How fast a job gets on, by what it has reported, and how long it may take yet. */
import type { Job } from './types';
import { known } from './units';

interface Report {
  step: number;
  total: number | null;
  time: number;
}

const MOST = 500;
/** Seconds without a report after which nothing is guessed. */
const SILENT = 30;

export class Pace {
  /** Take a report; those that are known, and those without a step, are left out. */
  take(progress: Job['progress'] | null): void {
    if (!progress || !known(progress.step) || !known(progress.time)) {
      return;
    }
    const last = this._reports[this._reports.length - 1];
    if (last && progress.time <= last.time) {
      return;
    }
    if (last && (progress.step < last.step || progress.total !== last.total)) {
      this._reports = [];
    }
    this._reports.push({ step: progress.step, total: progress.total, time: progress.time });
    if (this._reports.length > MOST) {
      this._reports.splice(1, this._reports.length - MOST);
    }
  }

  /** Seconds until the last step at the mean rate of the reports so far; null if that cannot be said. */
  left(now: number): number | null {
    if (this._reports.length < 2) {
      return null;
    }
    const first = this._reports[0];
    const last = this._reports[this._reports.length - 1];
    const steps = last.step - first.step;
    const seconds = last.time - first.time;
    const usual = (5 * seconds) / (this._reports.length - 1);
    if (!last.total || steps <= 0 || seconds <= 0 || now - last.time > Math.max(SILENT, usual)) {
      return null;
    }
    return Math.max(((last.total - last.step) * seconds) / steps - Math.max(now - last.time, 0), 0);
  }

  private _reports: Report[] = [];
}
