/** The form for a notebook's run, as a dialog that stays open until the run has begun. */
import { Dialog } from '@jupyterlab/apputils';
import { Widget } from '@lumino/widgets';
import type { RunForm } from '../model/form';
import { ProblemError } from '../model/problems';
import type { Begun } from '../model/types';
import type { Workbench } from '../model/workbench';
import type { Trans } from '../model/words';
import { FormView } from './formview';

/** JupyterLab's own, but for the body: what it would do to inputs is for forms of one line. */
class Renderer extends Dialog.Renderer {
  createBody(value: Dialog.Body<unknown>): Widget {
    const body = value as Widget;
    body.addClass('jp-Dialog-body');
    return body;
  }
}

class Body extends FormView {
  begun: Begun | null = null;

  getValue(): Begun | null {
    return this.begun;
  }
}

export class FormDialog extends Dialog<Begun | null> {
  /** @param title of the notebook. */
  constructor(
    title: string,
    private _form: RunForm,
    private _workbench: Workbench,
    private _trans: Trans
  ) {
    const body = new Body(_form, _workbench, _trans);
    super({
      title: _trans.__('Run %1 as a job', title),
      body: body as Dialog.Body<Begun | null>,
      buttons: [Dialog.cancelButton({ label: _trans.__('Cancel') }), Dialog.okButton({ label: _trans.__('Submit') })],
      focusNodeSelector: 'input, select, textarea',
      renderer: new Renderer()
    });
    this._view = body;
    this.addClass('jp-Sovlab-formDialog');
  }

  /** What the buttons and Enter do: only a run that has begun closes the form. */
  resolve(index?: number): void {
    if (index === 0) {
      super.resolve(index);
    } else if (!this._busy) {
      void this._submit();
    }
  }

  private async _submit(): Promise<void> {
    this._setBusy(true);
    try {
      this._view.begun = await this._workbench.rest.run(this._form.request());
      this.begun?.(this._view.begun);
      super.resolve(1);
    } catch (error) {
      if (this.isDisposed) {
        this.failed?.(error);
        return;
      }
      this._form.refuse(
        error instanceof ProblemError
          ? error.problem
          : { detail: this._trans.__('It was not submitted: %1', String(error)), hint: '', errors: [] }
      );
      this._setBusy(false);
      this._view.showFaults();
    }
  }

  /** Called when the run has begun, though the form was closed meanwhile. */
  begun: ((run: Begun) => void) | null = null;
  /** Called when it has not, after the form was closed. */
  failed: ((error: unknown) => void) | null = null;

  private _setBusy(busy: boolean): void {
    this._busy = busy;
    this._view.busy = busy;
    const button = this.node.querySelector<HTMLButtonElement>('.jp-Dialog-footer .jp-mod-accept');
    if (button) {
      button.disabled = busy;
    }
  }

  private _busy = false;
  private _view: Body;
}
