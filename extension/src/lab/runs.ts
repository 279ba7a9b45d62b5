import type { JupyterFrontEnd, JupyterFrontEndPlugin } from '@jupyterlab/application';
import { Dialog, ICommandPalette, Notification, showDialog } from '@jupyterlab/apputils';
import { INotebookTracker, type NotebookPanel } from '@jupyterlab/notebook';
import { ISettingRegistry } from '@jupyterlab/settingregistry';
import { ITranslator, nullTranslator } from '@jupyterlab/translation';
import { submitIcon } from '../icons';
import { RunForm } from '../model/form';
import { ProblemError } from '../model/problems';
import type { Begun } from '../model/types';
import type { Workbench } from '../model/workbench';
import type { Trans } from '../model/words';
import { FormDialog } from '../notebook/formdialog';
import { placementOf } from '../notebook/place';
import { CommandIDs, IWorkbench } from '../tokens';

/** Submits whole notebooks. */
export const runs: JupyterFrontEndPlugin<void> = {
  id: 'sovlab:runs',
  description: 'Submits whole notebooks as jobs, with a form of their parameters.',
  autoStart: true,
  requires: [IWorkbench, INotebookTracker],
  optional: [ITranslator, ICommandPalette, ISettingRegistry],
  activate: (
    app: JupyterFrontEnd,
    workbench: IWorkbench,
    tracker: INotebookTracker,
    translator: ITranslator | null,
    palette: ICommandPalette | null,
    settings: ISettingRegistry | null
  ) => {
    const trans = (translator ?? nullTranslator).load('sovlab');
    const { commands } = app;
    /** The run of the server that does not know this, if it is one of before; another may be a newer one. */
    let old = '';
    const epoch = () => workbench.socket.hello?.epoch ?? '';
    commands.addCommand(CommandIDs.submitNotebook, {
      label: trans.__('Submit Notebook as Job…'),
      caption: () =>
        workbench.may.execute
          ? trans.__('Run this notebook as a job, with parameters of your choice, into a new file')
          : trans.__('This server lets you look only.'),
      icon: args => (args.isPalette ? undefined : submitIcon),
      describedBy: { args: { type: 'object', properties: { isPalette: { type: 'boolean' } } } },
      isVisible: () => workbench.link !== 'absent' && workbench.link !== 'stranger' && (!old || old !== epoch()),
      isEnabled: () => !!tracker.currentWidget && workbench.may.execute,
      execute: async () => {
        const panel = tracker.currentWidget;
        if (!panel) {
          return;
        }
        try {
          await open(app, panel, workbench, trans);
        } catch (error) {
          if (isOld(error)) {
            old = epoch();
            commands.notifyCommandChanged(CommandIDs.submitNotebook);
          }
          failed(error, trans);
        }
      }
    });
    tracker.currentChanged.connect(() => commands.notifyCommandChanged(CommandIDs.submitNotebook));
    workbench.changed.connect(() => commands.notifyCommandChanged(CommandIDs.submitNotebook));
    palette?.addItem({ command: CommandIDs.submitNotebook, category: 'sovlab', args: { isPalette: true } });
    settings?.load('sovlab:runs').catch(reason => console.error('sovlab: its settings did not load.', reason));
  }
};

async function open(app: JupyterFrontEnd, panel: NotebookPanel, workbench: Workbench, trans: Trans): Promise<void> {
  const { context } = panel;
  const { contents } = app.serviceManager;
  await context.ready;
  const drive = contents.driveName(context.path);
  if (drive && drive !== 'RTC') {
    throw new Error(trans.__('It is not one of the server: only notebooks in its own folders can be submitted.'));
  }
  const title = panel.title.label;
  if (context.model.dirty && !context.model.readOnly) {
    const { button } = await showDialog({
      title: trans.__('Save %1 first?', title),
      body: trans.__('It has changes that are not saved, and what is saved is what runs.'),
      buttons: [Dialog.cancelButton({ label: trans.__('Cancel') }), Dialog.okButton({ label: trans.__('Save and go on') })]
    });
    if (!button.accept) {
      return;
    }
    await context.save();
  }
  const form = await workbench.rest.form(contents.localPath(context.path));
  const dialog = new FormDialog(title, new RunForm(form, placementOf(panel).get()), workbench, trans);
  dialog.begun = run => begun(app, title, run, workbench, trans);
  dialog.failed = error => failed(error, trans);
  await dialog.launch();
}

function begun(app: JupyterFrontEnd, title: string, run: Begun, workbench: Workbench, trans: Trans): void {
  const key = { id: run.job, target: run.target };
  const words = {
    new: trans.__('%1 runs as job %2 on %3', title, run.job, run.target),
    running: trans.__('The same run goes on: job %1 on %2', run.job, run.target),
    ended: trans.__('The same run was there already: job %1 on %2', run.job, run.target)
  }[run.found];
  Notification.info(trans.__('%1. Its output: %2', words, run.output), {
    autoClose: 10_000,
    actions: [{ label: trans.__('Open job'), callback: () => void app.commands.execute(CommandIDs.openJob, { ...key }) }]
  });
  workbench.outputs.add({ ...key, path: run.output, name: title });
}

/** A server of before there were runs: it knows the rest of what this page asks for. */
function isOld(error: unknown): boolean {
  return error instanceof ProblemError && error.problem.status === 404 && error.problem.detail === 'There is nothing at that path.';
}

function failed(error: unknown, trans: Trans): void {
  const { detail, hint } =
    error instanceof ProblemError ? error.problem : { detail: error instanceof Error ? error.message : String(error), hint: '' };
  const why = isOld(error) ? trans.__('The server is of an older version. Restart it.') : [detail, hint].filter(Boolean).join(' ');
  Notification.error(trans.__('Not submitted: %1', why), { autoClose: false });
}
