import {
  ILabShell,
  ILayoutRestorer,
  type JupyterFrontEnd,
  type JupyterFrontEndPlugin
} from '@jupyterlab/application';
import { ICommandPalette, ISanitizer, MainAreaWidget, WidgetTracker } from '@jupyterlab/apputils';
import { ILauncher } from '@jupyterlab/launcher';
import { ISettingRegistry } from '@jupyterlab/settingregistry';
import { ITranslator, nullTranslator } from '@jupyterlab/translation';
import { jobIcon } from '../icons';
import type { JobKey } from '../model/problems';
import { isJobId } from '../model/types';
import { Detail } from '../panel/detail';
import { Panel } from '../panel/panel';
import { shared } from '../shared';
import { CommandIDs, IWorkbench } from '../tokens';

const OPEN_ARGS = {
  type: 'object',
  properties: { id: { type: 'string' }, target: { type: 'string' } }
} as const;

/** The side panel, and jobs in the main area. */
export const panel: JupyterFrontEndPlugin<void> = {
  id: 'sovlab:panel',
  description: 'The side panel with targets, backends and jobs, and a job in the main area.',
  autoStart: true,
  requires: [IWorkbench],
  optional: [
    ITranslator,
    ILabShell,
    ILayoutRestorer,
    ICommandPalette,
    ILauncher,
    ISettingRegistry,
    ISanitizer
  ],
  activate: (
    app: JupyterFrontEnd,
    workbench: IWorkbench,
    translator: ITranslator | null,
    labShell: ILabShell | null,
    restorer: ILayoutRestorer | null,
    palette: ICommandPalette | null,
    launcher: ILauncher | null,
    settings: ISettingRegistry | null,
    sanitizer: ISanitizer | null
  ) => {
    const trans = (translator ?? nullTranslator).load('sovlab');
    const { commands, shell } = app;
    const tracker = new WidgetTracker<MainAreaWidget<Detail>>({ namespace: 'sovlab' });
    const open = (key: JobKey) => void commands.execute(CommandIDs.openJob, { ...key });
    shared.openJob = open;

    const side = new Panel(workbench, { trans, open });
    side.title.icon = jobIcon;
    side.title.caption = trans.__('sovlab: jobs and backends');
    // Notebook 7 hides its left area until something asks for it; its right one has a menu entry.
    shell.add(side, labShell ? 'left' : 'right', { rank: 550, type: 'sovlab' });
    restorer?.add(side, side.id);

    commands.addCommand(CommandIDs.openPanel, {
      label: trans.__('sovlab: Jobs and Backends'),
      caption: trans.__('Show what is running, and what hardware is free'),
      icon: args => (args.isPalette ? undefined : jobIcon),
      describedBy: { args: { type: 'object', properties: { isPalette: { type: 'boolean' } } } },
      execute: () => shell.activateById(side.id)
    });
    commands.addCommand(CommandIDs.openJob, {
      label: trans.__('sovlab: Open Job'),
      caption: trans.__('Show a job in the main area'),
      describedBy: { args: OPEN_ARGS },
      execute: args => {
        const { id, target } = args as { id?: unknown; target?: unknown };
        if (!isJobId(id)) {
          return;
        }
        const key = { id, target: typeof target === 'string' ? target : '' };
        const name = `sovlab-job-${key.id}`;
        let widget = tracker.find(each => each.id === name);
        if (!widget) {
          const content = new Detail(workbench, key, {
            trans,
            sanitizer,
            open,
            openNotebook: path => void commands.execute('docmanager:open', { path })
          });
          widget = new MainAreaWidget({ content });
          widget.toolbar.hide();
          widget.id = name;
          widget.title.icon = jobIcon;
          widget.title.label = key.id;
          widget.title.closable = true;
          content.title.changed.connect(title => (widget!.title.label = title.label));
          // In Notebook 7 the main area is the document's.
          shell.add(widget, labShell ? 'main' : 'right');
          void tracker.add(widget);
        }
        shell.activateById(widget.id);
        return widget;
      }
    });
    commands.addCommand(CommandIDs.refresh, {
      label: trans.__('sovlab: Look Again What Is Free'),
      describedBy: { args: { type: 'object', properties: {} } },
      isEnabled: () => workbench.link === 'live',
      execute: () => workbench.refreshBackends(workbench.target)
    });
    if (restorer) {
      void restorer.restore(tracker, {
        command: CommandIDs.openJob,
        args: widget => ({ ...widget.content.key }),
        name: widget => `${widget.content.key.target}:${widget.content.key.id}`
      });
    }
    for (const command of [CommandIDs.openPanel, CommandIDs.refresh]) {
      palette?.addItem({ command, category: 'sovlab', args: { isPalette: true } });
    }
    launcher?.add({ command: CommandIDs.openPanel, category: trans.__('Other'), rank: 20 });
    settings?.load('sovlab:panel').catch(reason => console.error('sovlab: its settings did not load.', reason));
  }
};
