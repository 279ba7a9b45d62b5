import type { JupyterFrontEnd, JupyterFrontEndPlugin } from '@jupyterlab/application';
import { Notification } from '@jupyterlab/apputils';
import { ISettingRegistry } from '@jupyterlab/settingregistry';
import { ITranslator, nullTranslator } from '@jupyterlab/translation';
import type { Output } from '../model/outputs';
import type { JobKey } from '../model/problems';
import { hasEnded, type Job, type JobRow, type Outcome } from '../model/types';
import type { Workbench } from '../model/workbench';
import { stateWord, type Trans } from '../model/words';
import { CommandIDs, IWorkbench } from '../tokens';

/** Milliseconds in which jobs that end are told of together. */
const TOGETHER = 1500;
/** From so many on they are one summary. */
const MANY = 4;

/** Tells of jobs that have ended: one notification each, or one for many. */
export class Notifier {
  constructor(
    workbench: Workbench,
    private _trans: Trans,
    private _open: (key: JobKey) => void,
    private _openAll: () => void,
    private _openNotebook: (path: string) => void,
    private _together = TOGETHER
  ) {
    workbench.outputs.ended.connect((_, ended) => this._tellOfOutput(ended));
    workbench.turned.connect((_, { row, before }) => {
      // Of a run that was begun here it is told when its notebook is there.
      if (workbench.outputs.of(row.id)) {
        return;
      }
      if (this.enabled && hasEnded(row.state) && !hasEnded(before) && row.state !== 'cancelled') {
        this._ended.set(row.id, row);
        this._timer ??= setTimeout(() => this._tell(), this._together);
      }
    });
  }

  enabled = true;

  private _tell(): void {
    const trans = this._trans;
    const rows = [...this._ended.values()];
    this._ended.clear();
    this._timer = undefined;
    const bad = rows.filter(row => row.state === 'failed');
    if (rows.length >= MANY) {
      const good = rows.length - bad.length;
      const words = [
        good ? trans._n('%1 job succeeded', '%1 jobs succeeded', good) : '',
        bad.length ? trans._n('%1 job failed', '%1 jobs failed', bad.length) : ''
      ];
      Notification.emit(words.filter(Boolean).join(', '), bad.length ? 'error' : 'success', {
        autoClose: bad.length ? false : 8000,
        actions: [{ label: trans.__('Show jobs'), callback: () => this._openAll() }]
      });
      return;
    }
    for (const row of rows) {
      const failed = row.state === 'failed';
      const words = failed && row.message ? `${row.words}. ${row.message}` : row.words;
      Notification.emit(`${row.name}: ${words}`.slice(0, 140), failed ? 'error' : 'success', {
        autoClose: failed ? 20_000 : 8000,
        actions: [{ label: trans.__('Open'), callback: () => this._open(row) }]
      });
    }
  }

  private _tellOfOutput({ output, job, outcome }: { output: Output; job: Job; outcome: Outcome }): void {
    const trans = this._trans;
    if (!this.enabled || job.state === 'cancelled') {
      return;
    }
    const good = job.state === 'succeeded' && outcome.written;
    const words = stateWord(job.state, trans);
    const why = good ? '' : outcome.problem || (outcome.written ? job.message : trans.__('The output was not written whole.'));
    Notification.emit([`${output.name}: ${words}`, why].filter(Boolean).join('. ').slice(0, 140), good ? 'success' : 'error', {
      autoClose: good ? 8000 : 20_000,
      actions: [
        { label: trans.__('Open output'), callback: () => this._openNotebook(output.path), displayType: 'accent' },
        { label: trans.__('Open job'), callback: () => this._open(job) }
      ]
    });
  }

  private _ended = new Map<string, JobRow>();
  private _timer: ReturnType<typeof setTimeout> | undefined;
}

export const notifying: JupyterFrontEndPlugin<void> = {
  id: 'sovlab:notifying',
  description: 'Tells when jobs have ended.',
  autoStart: true,
  requires: [IWorkbench],
  optional: [ITranslator, ISettingRegistry],
  activate: (
    app: JupyterFrontEnd,
    workbench: IWorkbench,
    translator: ITranslator | null,
    registry: ISettingRegistry | null
  ) => {
    const trans = (translator ?? nullTranslator).load('sovlab');
    const { commands } = app;
    const notifier = new Notifier(
      workbench,
      trans,
      row => void commands.execute(CommandIDs.openJob, { id: row.id, target: row.target }),
      () => void commands.execute(CommandIDs.openPanel),
      path => void commands.execute('docmanager:open', { path })
    );
    void registry
      ?.load('sovlab:panel')
      .then(settings => {
        const update = () => (notifier.enabled = settings.composite.notifications !== false);
        settings.changed.connect(update);
        update();
      })
      .catch(() => undefined);
  }
};
