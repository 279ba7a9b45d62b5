/**
 * What cards share with the rest of the page. A renderer of outputs is given no application: the plugins put here
 * what it may use, and where they are not loaded its cards stand still.
 */
import { Signal } from '@lumino/signaling';
import type { JobKey } from './model/problems';
import type { Workbench } from './model/workbench';

class Shared {
  readonly changed = new Signal<this, void>(this);
  /** Opens a job in the main area; null where that is not there. */
  openJob: ((key: JobKey) => void) | null = null;

  get workbench(): Workbench | null {
    return this._workbench;
  }

  set workbench(workbench: Workbench | null) {
    this._workbench = workbench;
    this.changed.emit();
  }

  private _workbench: Workbench | null = null;
}

export const shared = new Shared();
