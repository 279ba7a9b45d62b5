import type { JupyterFrontEnd, JupyterFrontEndPlugin } from '@jupyterlab/application';
import { ISettingRegistry } from '@jupyterlab/settingregistry';
import { IStatusBar } from '@jupyterlab/statusbar';
import { ITranslator, nullTranslator } from '@jupyterlab/translation';
import type { IDisposable } from '@lumino/disposable';
import { Widget } from '@lumino/widgets';
import { h, onFrame, say, show } from '../card/dom';
import { highest, ofOneKind, total } from '../model/feed';
import { heat, joined, power } from '../model/units';
import type { Trans } from '../model/words';
import { CommandIDs, IWorkbench } from '../tokens';

/** One line: where, how many run and wait, how much is drawn, how hot it is. */
export class StatusItem extends Widget {
  constructor(
    private _workbench: IWorkbench,
    private _trans: Trans,
    open: () => void
  ) {
    super();
    this.addClass('jp-Sovlab');
    this._button = h(
      'button',
      { type: 'button', class: 'jp-Sovlab-status', title: _trans.__('Show jobs and backends') },
      this._where,
      this._jobs,
      this._meters
    );
    this._button.addEventListener('click', open);
    this.node.append(this._button);
    _workbench.changed.connect(this._update, this);
    this._update();
  }

  /** Whether the devices are looked at: they are not while nobody can see the number. */
  set shown(shown: boolean) {
    this.setHidden(!shown);
    if (shown && !this._look) {
      this._look = this._workbench.look();
    } else if (!shown) {
      this._look?.dispose();
      this._look = null;
    }
  }

  dispose(): void {
    this._workbench.changed.disconnect(this._update, this);
    this._look?.dispose();
    super.dispose();
  }

  private _update = onFrame(() => {
    const trans = this._trans;
    const { link, target, jobs } = this._workbench;
    const devices = ofOneKind(this._workbench.telemetryOf(target)?.devices ?? []);
    const live = link === 'live';
    const states: Record<string, string> = {
      live: `sovlab: ${target}`,
      starting: 'sovlab: …',
      lost: trans.__('sovlab: reconnecting'),
      absent: trans.__('sovlab: no answer'),
      stranger: trans.__('sovlab: restart the server')
    };
    say(this._where, states[link]);
    const running = jobs.counts.running ?? 0;
    const waiting = ['pending', 'queued', 'suspended'].reduce((sum, key) => sum + (jobs.counts[key] ?? 0), 0);
    const counts = [
      running ? trans.__('%1 running', running) : '',
      waiting ? trans.__('%1 waiting', waiting) : ''
    ];
    say(this._jobs, live ? counts.filter(Boolean).join(', ') : '');
    show(this._jobs, !!this._jobs.textContent);
    const watts = total(devices.map(device => device.power.value));
    const celsius = highest(devices.flatMap(device => Object.values(device.celsius)));
    const known = watts !== null || celsius !== null;
    say(this._meters, live && known ? `${joined(power(watts))} · ${joined(heat(celsius))}` : '');
    show(this._meters, !!this._meters.textContent);
  });

  private _button: HTMLButtonElement;
  private _jobs = h('span', {});
  private _look: IDisposable | null = null;
  private _meters = h('span', {});
  private _where = h('span', {});
}

/** The status bar, apart so that it can be disabled by itself. */
export const status: JupyterFrontEndPlugin<void> = {
  id: 'sovlab:status',
  description: 'Says in the status bar what runs and how hot it is.',
  autoStart: true,
  requires: [IWorkbench, IStatusBar],
  optional: [ITranslator, ISettingRegistry],
  activate: (
    app: JupyterFrontEnd,
    workbench: IWorkbench,
    statusBar: IStatusBar,
    translator: ITranslator | null,
    registry: ISettingRegistry | null
  ) => {
    const trans = (translator ?? nullTranslator).load('sovlab');
    const item = new StatusItem(workbench, trans, () => void app.commands.execute(CommandIDs.openPanel));
    statusBar.registerStatusItem('sovlab:status', { item, align: 'left', rank: 100 });
    item.shown = true;
    void registry
      ?.load('sovlab:panel')
      .then(settings => {
        const update = () => (item.shown = settings.composite.statusBar !== false);
        settings.changed.connect(update);
        update();
      })
      .catch(() => undefined);
  }
};
