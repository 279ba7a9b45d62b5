/** The side panel: what the target has, and its jobs. It fits into any area and any width. */
import type { Message } from '@lumino/messaging';
import type { IDisposable } from '@lumino/disposable';
import { Widget } from '@lumino/widgets';
import { button, h, onFrame, say, show } from '../card/dom';
import type { JobKey } from '../model/problems';
import { clock, duration, known, time } from '../model/units';
import type { Workbench } from '../model/workbench';
import type { Trans } from '../model/words';
import { BackendsSection } from './backends';
import { JobsSection } from './jobs';

/** Milliseconds between two looks at what is free, while somebody sees it. */
const AGAIN = 30_000;

export interface PanelOptions {
  trans: Trans;
  open: (key: JobKey) => void;
}

export class Panel extends Widget {
  constructor(
    private _workbench: Workbench,
    private _options: PanelOptions
  ) {
    super();
    const { trans } = _options;
    this.id = 'sovlab-panel';
    this.addClass('jp-Sovlab');
    this.addClass('jp-Sovlab-panel');
    this.node.setAttribute('role', 'region');
    this.node.setAttribute('aria-label', trans.__('sovlab jobs and backends'));
    this._backends = new BackendsSection(_workbench, trans);
    this._jobs = new JobsSection(_workbench, _options);
    this._title = h('b', {});
    this._text = h('span', {});
    this._again = button(trans.__('Try now'), () => this._retry());
    this._banner = h('div', { class: 'jp-Sovlab-empty jp-mod-banner', role: 'status' }, this._title, this._text, this._again);
    this.node.append(this._banner, this._backends.node, this._jobs.node);
    _workbench.changed.connect(this._paintBanner, this);
    this._paintBanner();
  }

  dispose(): void {
    if (!this.isDisposed) {
      this._leave();
      this._workbench.changed.disconnect(this._paintBanner, this);
      this._backends.dispose();
      this._jobs.dispose();
      super.dispose();
    }
  }

  protected onAfterShow(message: Message): void {
    super.onAfterShow(message);
    this._enter();
  }

  protected onAfterAttach(message: Message): void {
    super.onAfterAttach(message);
    if (this.isVisible) {
      this._enter();
    }
  }

  protected onBeforeHide(message: Message): void {
    this._leave();
    super.onBeforeHide(message);
  }

  protected onBeforeDetach(message: Message): void {
    this._leave();
    super.onBeforeDetach(message);
  }

  private _enter(): void {
    if (this._looking) {
      return;
    }
    this._looking = this._workbench.look();
    this._backends.visible = this._jobs.visible = true;
    this._timer = setInterval(() => this._tick(), 1000);
    this._ask();
    this._paint();
  }

  private _leave(): void {
    this._looking?.dispose();
    this._looking = null;
    this._backends.visible = this._jobs.visible = false;
    clearInterval(this._timer);
  }

  /** Clocks go on, and now and then the hardware is counted anew. */
  private _tick(): void {
    if (document.hidden) {
      return;
    }
    const told = this._workbench.backendsOf(this._workbench.target);
    if (Date.now() - this._asked > (told ? AGAIN : 3000)) {
      this._ask();
    }
    this._paint();
  }

  private _ask(): void {
    if (this._workbench.link === 'live') {
      this._asked = Date.now();
      void this._workbench.refreshBackends(this._workbench.target);
    }
  }

  private _paint(): void {
    this._backends.paint();
    this._jobs.paint();
    this._paintBanner();
  }

  private _retry(): void {
    if (this._workbench.link === 'absent') {
      void this._workbench.start();
    } else {
      this._workbench.socket.connect();
    }
  }

  private _paintBanner = onFrame(() => {
    const { trans } = this._options;
    const workbench = this._workbench;
    const health = workbench.jobs.health;
    let title = '';
    let text = '';
    let again = false;
    if (workbench.link === 'stranger') {
      title = trans.__('Restart the server');
      const version = workbench.version?.version ?? workbench.socket.hello?.version ?? '';
      text = trans.__(
        'sovlab was upgraded: the page and the server (%1) are of different versions. Jobs go on. Restart the Jupyter server, then reload this page.',
        version
      );
    } else if (workbench.link === 'absent') {
      // An answer that says what is wrong, e.g. with the settings, is one.
      const { status = 0, title: what } = workbench.problem ?? {};
      title = what && status !== 404 ? what : trans.__('sovlab does not answer');
      text = workbench.problem ? `${workbench.problem.detail} ${workbench.problem.hint}` : '';
      again = true;
    } else if (workbench.link === 'lost') {
      title = trans.__('The Jupyter server does not answer');
      const wait = Math.max((workbench.socket.retryAt - Date.now()) / 1000, 0);
      const next = workbench.socket.retryAt ? trans.__('Trying again in %1.', clock(Math.ceil(wait))) : '';
      text = trans.__('Shown is what was known then; running jobs go on without us. %1', next);
      again = true;
    } else if (health?.state === 'down') {
      title = trans.__('%1 does not answer', health.target);
      const age = known(health.seen) ? duration(Math.floor(Math.max(Date.now() / 1000 - health.seen, 0))) : '';
      const since = age
        ? trans.__('Shown is what was known at %1, %2 ago; running jobs go on without us.', time(health.seen), age)
        : trans.__('Nothing of it is known yet; what runs there goes on.');
      text = [since, health.problem?.detail, health.problem?.hint].filter(Boolean).join(' ');
    }
    say(this._title, title);
    say(this._text, text);
    show(this._again, again);
    show(this._banner, !!title);
  });

  private _again: HTMLElement;
  private _asked = 0;
  private _backends: BackendsSection;
  private _banner: HTMLElement;
  private _jobs: JobsSection;
  private _looking: IDisposable | null = null;
  private _text: HTMLElement;
  private _timer: ReturnType<typeof setInterval> | undefined;
  private _title: HTMLElement;
}
