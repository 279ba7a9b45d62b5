/** A job in the main area: its curves, its whole log, its results, and how its cluster has it. */
import type { IRenderMime } from '@jupyterlab/rendermime-interfaces';
import { Widget } from '@lumino/widgets';
import { Actions } from '../card/actions';
import { button, h, onFrame, say, show } from '../card/dom';
import { Head } from '../card/head';
import { LogView } from '../card/logview';
import { Meters } from '../card/meters';
import { outputsOf } from '../card/outputs';
import { traceback } from '../card/traceback';
import { type JobFeed, ofOneKind, sourceOf } from '../model/feed';
import type { JobKey } from '../model/problems';
import { CARD_MIME, cardData, hasEnded, type Job } from '../model/types';
import { known, provenance, time, utc } from '../model/units';
import type { Workbench } from '../model/workbench';
import { facts, hardware, type Trans } from '../model/words';
import { Chart } from './chart';
import { Happened } from './happened';
import { SentView } from './sent';
import { Tabs } from './tabs';

export interface DetailOptions {
  trans: Trans;
  sanitizer: IRenderMime.ISanitizer | null;
  open: (key: JobKey) => void;
  /** Opens a notebook, by its path as the contents API has it. */
  openNotebook: (path: string) => void;
}

export class Detail extends Widget {
  constructor(
    private _workbench: Workbench,
    readonly key: JobKey,
    private _options: DetailOptions
  ) {
    super();
    const { trans } = _options;
    this.addClass('jp-Sovlab');
    this.addClass('jp-Sovlab-detail');
    this._feed = _workbench.follow(key);
    this._head = new Head(trans);
    this._actions = new Actions(this._head.buttons, _workbench, {
      printed: () => !!this._log.log?.length,
      trans,
      open: null,
      onRerun: job => _options.open({ id: job.id, target: job.target }),
      onRemove: () => this.parent?.dispose()
    });
    this._meters = new Meters(trans, true);
    this._chart = new Chart(trans);
    this._log = new LogView({ trans, name: `${key.id} log`, fetch: gap => this._feed.fetch(gap) });
    this._log.log = this._feed.log;
    this._problem = h('div', { class: 'jp-Sovlab-empty', role: 'status' });
    this._noLog = h('div', { class: 'jp-Sovlab-empty' });
    this._results = h('div', {});
    this._output = button('', () => this._options.openNotebook(this._workbench.outputs.written(key.id)?.path ?? ''));
    this._head.buttons.prepend(this._output);
    this._about = h('dl', { class: 'jp-Sovlab-facts' });
    this._yaml = h('pre', { class: 'jp-Sovlab-yaml', tabindex: 0 });
    this._happened = new Happened(trans, (page, size) => _workbench.rest.events(key, page, size));
    this._sent = new SentView(trans, () => _workbench.rest.sent(key));
    this._tabs = new Tabs(trans.__('About this job'), [
      { label: trans.__('Log'), content: [this._noLog, this._log.node] },
      { label: trans.__('Results'), content: [this._results] },
      { label: trans.__('Events'), content: [this._happened.node], onShow: () => void this._happened.refresh() },
      { label: trans.__('What was sent'), content: [this._sent.node], onShow: () => void this._sent.show() },
      { label: trans.__('About'), content: [this._about] },
      { label: trans.__('YAML'), content: [this._yaml], onShow: () => void this._fetchYaml() }
    ]);
    this.node.append(this._problem, this._head.node, this._actions.node, this._meters.node, this._chart.node, this._tabs.node);
    this._feed.changed.connect(this._update, this);
    _workbench.changed.connect(this._update, this);
    _workbench.outputs.ended.connect(this._update, this);
    this._timer = setInterval(() => {
      if (this.isVisible && !document.hidden) {
        this._update();
      }
    }, 1000);
    void this._feed.fetchPower().catch(() => undefined);
    this._update();
  }

  dispose(): void {
    if (!this.isDisposed) {
      clearInterval(this._timer);
      this._feed.changed.disconnect(this._update, this);
      this._workbench.changed.disconnect(this._update, this);
      this._workbench.outputs.ended.disconnect(this._update, this);
      this._workbench.release(this._feed);
      this._log.dispose();
      this._chart.dispose();
      super.dispose();
    }
  }

  private _update = onFrame(() => this._paint());

  private _paint(): void {
    const { trans } = this._options;
    const job = this._feed.document;
    const problem = this._feed.problem;
    const lost = this._workbench.link !== 'live' ? trans.__('Not connected: what is shown is of %1. The job goes on.', time(this._feed.toldAt || null)) : '';
    say(this._problem, problem ? `${problem.detail} ${problem.hint}` : job ? lost : lost || trans.__('Loading…'));
    show(this._problem, !!this._problem.textContent);
    for (const part of [this._head.node, this._tabs.node]) {
      show(part, !!job);
    }
    if (!job) {
      return;
    }
    const now = this._workbench.link === 'live' ? Date.now() / 1000 : this._feed.toldAt;
    this.title.label = job.name;
    this._head.set(job, now, this._feed.pace.left(now), this._actions.cancelling);
    this._actions.set(job);
    const output = this._workbench.outputs.written(job.id);
    say(this._output, output ? trans.__('Open %1', output.path.split('/').pop()!) : '');
    show(this._output, !!output);
    this._meters.set(this._feed.readings, this._feed.samples, now);
    this._chart.set(this._feed.samples, { source: this._source(), marks: this._marks(job) });
    const empty = !this._feed.log.length;
    const waits = hasEnded(job.state) ? trans.__('It printed nothing.') : trans.__('It has printed nothing yet.');
    say(this._noLog, empty ? waits : '');
    show(this._noLog, empty);
    show(this._log.node, !empty);
    this._log.update();
    this._paintResults(job);
    this._paintAbout(job);
    if (this._stateOf !== job.state) {
      this._stateOf = job.state;
      if (this._happened.node.offsetParent) {
        void this._happened.refresh();
      }
    }
  }

  /** Where the watts of the curve are from: by what is measured now, else by what was. */
  private _source(): string {
    const { readings, power } = this._feed;
    const device = readings ? ofOneKind(readings.devices).find(each => each.power.value !== null) : undefined;
    if (device) {
      return provenance(device.power);
    }
    const source = power ? sourceOf(power) : null;
    return source ? provenance({ source, method: '' }) : '';
  }

  private _marks(job: Job): [number, string][] {
    const { trans } = this._options;
    const marks: [number | null, string][] = [
      [job.started, trans.__('started')],
      [job.ended, trans.__('ended')]
    ];
    return marks.filter((mark): mark is [number, string] => known(mark[0]));
  }

  private _paintResults(job: Job): void {
    const key = JSON.stringify([job.state, job.ended, job.returned, !!job.energy]);
    if (key === this._resultsOf) {
      return;
    }
    this._resultsOf = key;
    const { trans } = this._options;
    const rows = facts(job, trans).flatMap(fact => [
      h('dt', {}, fact.label),
      h('dd', { class: fact.bad ? 'jp-mod-bad' : null, title: fact.why }, fact.text)
    ]);
    const ended = hasEnded(job.state);
    const text = job.error?.traceback ?? '';
    this._results.replaceChildren(
      ...(ended ? [h('dl', { class: 'jp-Sovlab-facts' }, ...rows)] : []),
      ...(text ? [traceback(text, String(job.error?.type ?? ''))] : []),
      ...(ended ? [] : [h('div', { class: 'jp-Sovlab-empty' }, trans.__('Results come when it has ended.'))])
    );
    if (ended) {
      void this._fetchOutputs();
    }
  }

  private async _fetchOutputs(): Promise<void> {
    const { sanitizer } = this._options;
    if (!sanitizer) {
      return;
    }
    const answer = await this._workbench.rest.card(this.key).catch(() => null);
    const card = cardData(answer?.data[CARD_MIME]);
    if (card && !this.isDisposed) {
      this._results.append(...outputsOf(answer?.data['text/html'], card.outputs, sanitizer));
    }
  }

  private _paintAbout(job: Job): void {
    const { trans } = this._options;
    const at = (seconds: number | null) => (known(seconds) ? `${time(seconds)} (${utc(seconds)})` : '—');
    const rows: [string, string][] = [
      [trans.__('Id'), job.id],
      [trans.__('Target'), job.target],
      [trans.__('From'), job.origin || '—'],
      [trans.__('Hardware'), hardware(job, trans) || '—'],
      [trans.__('Why'), job.backend_why || '—'],
      [trans.__('Host'), job.host || '—'],
      [trans.__('Submitted'), at(job.submitted)],
      [trans.__('Started'), at(job.started)],
      [trans.__('Ended'), at(job.ended)],
      [trans.__('Exit status'), known(job.exit_code) ? String(job.exit_code) : '—']
    ];
    const key = rows.flat().join('\n');
    if (this._about.dataset.shown !== key) {
      this._about.dataset.shown = key;
      this._about.replaceChildren(...rows.flatMap(([label, text]) => [h('dt', {}, label), h('dd', {}, text)]));
    }
  }

  private async _fetchYaml(): Promise<void> {
    say(this._yaml, '…');
    try {
      const { yaml, notes } = await this._workbench.rest.manifests(this.key);
      say(this._yaml, [...notes.map(note => `# ${note}`), yaml].filter(Boolean).join('\n'));
    } catch (error) {
      say(this._yaml, error instanceof Error ? error.message : String(error));
    }
  }

  private _about: HTMLElement;
  private _actions: Actions;
  private _chart: Chart;
  private _feed: JobFeed;
  private _happened: Happened;
  private _head: Head;
  private _log: LogView;
  private _meters: Meters;
  private _noLog: HTMLElement;
  private _output: HTMLButtonElement;
  private _problem: HTMLElement;
  private _results: HTMLElement;
  private _resultsOf = '';
  private _sent: SentView;
  private _stateOf = '';
  private _tabs: Tabs;
  private _timer: ReturnType<typeof setInterval>;
  private _yaml: HTMLElement;
}
