/** What can be done with a job: buttons, a menu, and what came of it. */
import type { JobKey } from '../model/problems';
import type { Job } from '../model/types';
import { hasEnded } from '../model/types';
import type { Trans } from '../model/words';
import { button, h, say, show } from './dom';
import type { Doer } from './host';
import { type MenuItem, openMenu } from './menu';

export interface ActionsOptions {
  trans: Trans;
  /** Opens the job in the main area; null where that is not there. */
  open: ((key: JobKey) => void) | null;
  /** Whether something that the job printed is shown: news of its state may come later than that. */
  printed: () => boolean;
  /** The job was run again, as this one. */
  onRerun?: (job: Job) => void;
  /** The job was removed. */
  onRemove?: () => void;
}

export class Actions {
  /**
   * @param buttons where the buttons go.
   * @param workbench what carries them out.
   */
  constructor(
    buttons: HTMLElement,
    private _workbench: Doer,
    private _options: ActionsOptions
  ) {
    const { trans } = _options;
    this._cancel = button(trans.__('Cancel'), () => this._askCancel());
    this._rerun = button(trans.__('Rerun'), () => void this._run(() => this._doRerun()));
    this._more = button('⋯', () => this._openMenu(), {
      'aria-label': trans.__('More'),
      title: trans.__('More'),
      'aria-haspopup': 'menu',
      'aria-expanded': 'false'
    });
    buttons.replaceChildren(this._cancel, this._rerun, this._more);
    this._said = h('span', {});
    this._yes = button('', () => this._confirmed());
    this._no = button('', () => this._ask('', '', '', null));
    this.node = h(
      'div',
      { class: 'jp-Sovlab-said', role: 'status' },
      this._said,
      h('span', { class: 'jp-Sovlab-buttons' }, this._yes, this._no)
    );
    this._ask('', '', '', null);
  }

  /** Questions and answers. */
  readonly node: HTMLElement;
  /** Whether the job was asked to end and has not yet. */
  cancelling = false;

  set(job: Job): void {
    this._job = job;
    const ended = hasEnded(job.state);
    const { write, execute } = this._workbench.may;
    const trans = this._options.trans;
    if (ended) {
      this.cancelling = false;
    }
    show(this._cancel, !ended && job.state !== 'unknown');
    show(this._rerun, ended);
    const linked = this._workbench.link === 'live';
    this._cancel.disabled = !write || this.cancelling || !linked;
    this._rerun.disabled = !execute || !linked;
    const refused = linked
      ? trans.__('This server lets you look only.')
      : (this._workbench.away ?? trans.__('The server is not connected.'));
    this._cancel.title = this._cancel.disabled && !this.cancelling ? refused : '';
    this._rerun.title = this._rerun.disabled ? refused : '';
  }

  private get _key(): JobKey {
    return { id: this._job?.id ?? '', target: this._job?.target ?? '' };
  }

  private _openMenu(): void {
    const { trans, open } = this._options;
    const { write } = this._workbench.may;
    const job = this._job;
    if (!job) {
      return;
    }
    const ended = hasEnded(job.state) || job.state === 'unknown';
    const items: MenuItem[] = [];
    if (open) {
      items.push({ label: trans.__('Open details'), run: () => open(this._key) });
    }
    items.push(
      { label: trans.__('Copy id'), note: job.id, run: () => void this._copy(job.id) },
      { label: trans.__('Copy YAML'), run: () => void this._run(() => this._copyYaml()) },
      {
        label: trans.__('Remove'),
        note: ended ? trans.__('with its log and results') : trans.__('cancel it first'),
        disabled: !ended || !write,
        run: () =>
          this._ask(
            trans.__('Remove %1, its log and its results?', job.name),
            trans.__('Remove'),
            trans.__('Keep'),
            async () => {
              await this._workbench.rest.remove(this._key);
              this._options.onRemove?.();
              return trans.__('Removed.');
            }
          )
      }
    );
    openMenu(this._more, items, trans.__('What to do with %1', job.name));
  }

  private _askCancel(): void {
    const { trans } = this._options;
    const job = this._job;
    const cancel = async () => {
      this.cancelling = true;
      try {
        await this._workbench.rest.cancel(this._key);
      } catch (error) {
        this.cancelling = false;
        throw error;
      }
      return trans.__('It was asked to end.');
    };
    if (job && (job.state === 'running' || this._options.printed())) {
      this._ask(trans.__('Cancel %1?', job.name), trans.__('Cancel job'), trans.__('Let it run'), cancel);
    } else {
      void this._run(cancel);
    }
  }

  private async _doRerun(): Promise<string> {
    const { job, messages } = await this._workbench.rest.rerun(this._key);
    this._options.onRerun?.(job);
    return [this._options.trans.__('Runs again as %1.', job.id), ...messages].join(' ');
  }

  private async _copy(text: string): Promise<void> {
    const { trans } = this._options;
    await this._run(async () => {
      await navigator.clipboard.writeText(text);
      return trans.__('Copied.');
    });
  }

  private async _copyYaml(): Promise<string> {
    const { yaml, notes } = await this._workbench.rest.manifests(this._key);
    if (!yaml) {
      return notes.join(' ') || this._options.trans.__('A job on this target is not made of objects.');
    }
    await navigator.clipboard.writeText(yaml);
    return this._options.trans.__('Copied.');
  }

  private _ask(text: string, yes: string, no: string, then: (() => Promise<string>) | null): void {
    this._then = then;
    say(this._said, text);
    say(this._yes, yes);
    say(this._no, no);
    show(this._yes, !!then);
    show(this._no, !!then);
    show(this.node, !!text);
    this.node.classList.remove('jp-mod-bad');
    if (then) {
      this._no.focus();
    }
  }

  private _confirmed(): void {
    const then = this._then;
    if (then) {
      void this._run(then);
      this._more.focus();
    }
  }

  private async _run(action: () => Promise<string>): Promise<void> {
    this._ask(this._options.trans.__('…'), '', '', null);
    try {
      this._ask(await action(), '', '', null);
    } catch (error) {
      this._ask(error instanceof Error ? error.message : String(error), '', '', null);
      this.node.classList.add('jp-mod-bad');
    }
    if (this._job) {
      this.set(this._job);
    }
  }

  private _cancel: HTMLButtonElement;
  private _job: Job | null = null;
  private _more: HTMLButtonElement;
  private _no: HTMLButtonElement;
  private _rerun: HTMLButtonElement;
  private _said: HTMLElement;
  private _then: (() => Promise<string>) | null = null;
  private _yes: HTMLButtonElement;
}
