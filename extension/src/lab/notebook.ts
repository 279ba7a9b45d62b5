import type { JupyterFrontEnd, JupyterFrontEndPlugin } from '@jupyterlab/application';
import { ICommandPalette, IToolbarWidgetRegistry, Notification } from '@jupyterlab/apputils';
import type { CodeCell } from '@jupyterlab/cells';
import { INotebookTracker, NotebookActions, type NotebookPanel } from '@jupyterlab/notebook';
import { ISettingRegistry } from '@jupyterlab/settingregistry';
import { ITranslator, nullTranslator } from '@jupyterlab/translation';
import { submitIcon } from '../icons';
import { remember } from '../notebook/changed';
import { Picker } from '../notebook/picker';
import { defaultsCode, placementOf } from '../notebook/place';
import { magicOf, Submitter } from '../notebook/submit';
import { CommandIDs, IWorkbench } from '../tokens';

/** Submit on cells, and the picker of where to. */
export const notebook: JupyterFrontEndPlugin<void> = {
  id: 'sovlab:notebook',
  description: 'Submits cells, and picks where to.',
  autoStart: true,
  requires: [IWorkbench, INotebookTracker],
  optional: [ITranslator, IToolbarWidgetRegistry, ICommandPalette, ISettingRegistry],
  activate: (
    app: JupyterFrontEnd,
    workbench: IWorkbench,
    tracker: INotebookTracker,
    translator: ITranslator | null,
    toolbars: IToolbarWidgetRegistry | null,
    palette: ICommandPalette | null,
    settings: ISettingRegistry | null
  ) => {
    const trans = (translator ?? nullTranslator).load('sovlab');
    const { commands } = app;
    const submitter = new Submitter(workbench, trans);

    /** The picker's menu is the one in the toolbar: it has the whole notebook, too. */
    const whole = () => {
      const command = CommandIDs.submitNotebook;
      return commands.hasCommand(command) && commands.isVisible(command)
        ? [
            {
              label: commands.label(command),
              note: trans.__('with parameters of your choice, into a new file'),
              disabled: !commands.isEnabled(command),
              run: () => void commands.execute(command)
            }
          ]
        : [];
    };
    toolbars?.addFactory<NotebookPanel>(
      'Notebook',
      'sovlab-place',
      panel => new Picker(panel, workbench, trans, whole)
    );
    tracker.widgetAdded.connect((_, panel) => useInKernel(panel));

    const ready = () => tracker.activeCell?.model.type === 'code' && !tracker.currentWidget?.model?.readOnly;
    /** A click with the right button leaves the active cell as it is: the menu is meant for the one below the pointer. */
    const choose = () => {
      const node = app.contextMenuHitTest(each => each.classList.contains('jp-CodeCell'));
      const content = tracker.currentWidget?.content;
      const index = content?.widgets.findIndex(each => each.node === node) ?? -1;
      if (content && index >= 0) {
        content.activeCellIndex = index;
      }
    };
    commands.addCommand(CommandIDs.submitCell, {
      label: args => (args.toolbar === 'cell' ? '' : args.toolbar ? trans.__('Submit cell') : trans.__('Submit Cell as Job')),
      caption: () => {
        if (tracker.currentWidget?.model?.readOnly) {
          return trans.__('This notebook is read-only: its cells cannot be submitted');
        }
        return ready() ? trans.__('Run this cell as a job') : trans.__('Choose a code cell to submit it');
      },
      icon: args => (args.toolbar === 'notebook' ? undefined : submitIcon),
      describedBy: { args: { type: 'object', properties: { toolbar: { type: 'string' }, menu: { type: 'string' } } } },
      isEnabled: args => args.menu === 'context' || ready(),
      execute: async args => {
        if (args.menu === 'context') {
          choose();
        }
        const panel = tracker.currentWidget;
        const cell = tracker.activeCell as CodeCell | null;
        if (!panel || !cell || !ready()) {
          return;
        }
        remember(cell, trans);
        try {
          await submitter.submit(panel, cell, placementOf(panel).get());
        } catch (error) {
          const why = error instanceof Error ? error.message : String(error);
          Notification.error(trans.__('Not submitted: %1', why), { autoClose: false });
        }
      }
    });
    NotebookActions.executed.connect((_, { cell }) => {
      if (magicOf(cell.model.sharedModel.getSource()) === 'sovsubmit') {
        remember(cell, trans);
      }
    });
    tracker.activeCellChanged.connect(() => commands.notifyCommandChanged(CommandIDs.submitCell));
    palette?.addItem({ command: CommandIDs.submitCell, category: 'sovlab' });
    settings?.load('sovlab:notebook').catch(reason => console.error('sovlab: its settings did not load.', reason));
  }
};

/**
 * Have `%%sovsubmit` without flags go to where the picker says. Only what the user has picked on this page counts:
 * what a notebook says that somebody else has written is shown, and chooses nothing by itself.
 */
function useInKernel(panel: NotebookPanel): void {
  const placement = placementOf(panel);
  let picked = false;
  const tell = () => {
    const kernel = panel.sessionContext.session?.kernel;
    if (picked && kernel) {
      const code = defaultsCode(placement.get());
      kernel.requestExecute({ code, silent: true, store_history: false, allow_stdin: false });
    }
  };
  placement.changed.connect(() => {
    picked = true;
    tell();
  });
  panel.sessionContext.kernelChanged.connect(tell);
  panel.sessionContext.statusChanged.connect((_, status) => {
    if (status === 'restarting' || status === 'autorestarting') {
      void panel.sessionContext.session?.kernel?.info.then(tell);
    }
  });
}
