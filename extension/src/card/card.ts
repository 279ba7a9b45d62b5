/**
 * The card of a job below its cell. What the notebook has saved is shown where there is nothing else; where the
 * server is there and the notebook is trusted, it is alive: told by the server, whether the kernel lives or not.
 */
import type { IRenderMime } from '@jupyterlab/rendermime-interfaces';
import type { JobFeed } from '../model/feed';
import { savedLog } from '../model/log';
import type { CardData, Job } from '../model/types';
import { CARD_MIME, cardData, hasEnded } from '../model/types';
import { known, time } from '../model/units';
import { facts, type Trans } from '../model/words';
import { shared } from '../shared';
import { Actions } from './actions';
import type { CardHost } from './host';
import { h, onFrame, say, show } from './dom';
import { Head } from './head';
import { LogView } from './logview';
import { Meters } from './meters';
import { outputsOf } from './outputs';
import { traceback } from './traceback';

const ROWS = 12;

export interface CardOptions {
  trans: Trans;
  sanitizer: Pick<IRenderMime.ISanitizer, 'sanitize'>;
  /** What tells of the job, and carries out what can be done with it; the page's workbench if it is not said. */
  host?: CardHost;
}

export class Card {
  constructor(private _options: CardOptions) {
    const { trans } = _options;
    this._head = new Head(trans);
    this._meters = new Meters(trans);
    this._earlier = h('div', { class: 'jp-Sovlab-why' });
    this._said = h('div', {});
    this._log = new LogView({ trans, name: trans.__('Log'), rows: ROWS, fetch: gap => this._feed!.fetch(gap) });
    this._error = h('div', {});
    this._outputs = h('div', {});
    this._facts = h('dl', { class: 'jp-Sovlab-facts' });
    this._notes = h('div', {});
    this._foot = h('div', { class: 'jp-Sovlab-foot', role: 'status' });
    this.node = h(
      'article',
      { class: 'jp-Sovlab-card' },
      this._head.node,
      this._earlier,
      this._said,
      this._meters.node,
      this._log.node,
      this._error,
      this._outputs,
      this._facts,
      this._notes,
      this._foot
    );
    this._observer =
      typeof IntersectionObserver === 'undefined'
        ? null
        : new IntersectionObserver(entries => this._saw(entries[entries.length - 1].isIntersecting));
    this._observer?.observe(this.node);
    shared.changed.connect(this._connect, this);
  }

  readonly node: HTMLElement;

  /**
   * Show what a notebook has; the same again changes nothing.
   *
   * @param data of the card's type, by whomever it was written.
   * @param html that goes with it.
   * @param trusted whether the notebook is: otherwise nothing is fetched and nothing can be done.
   * @returns whether it is the data of a card.
   */
  set(data: unknown, html: unknown, trusted: boolean): boolean {
    const card = cardData(data);
    if (!card) {
      return false;
    }
    if (this._card?.id !== card.id) {
      this._drop();
      this._removed = false;
    }
    this._card = card;
    this._html = html;
    this._trusted = trusted;
    if (!this._observer) {
      this._visible = true;
    }
    this._connect();
    this.update();
    return true;
  }

  /** Paint at the next frame what has changed. */
  readonly update = onFrame(() => this.paint());

  paint(): void {
    const card = this._card;
    if (!card || this._isDisposed) {
      return;
    }
    const feed = this._feed;
    const told = feed?.document ?? null;
    // The kernel may know more than the server has told yet: what has ended has ended.
    const job: Job = told && !(hasEnded(card.state) && !hasEnded(told.state)) ? told : card;
    const ended = hasEnded(job.state);
    const connected = this._host?.link === 'live';
    const live = (told && connected) || this._painting();
    const now = live ? Date.now() / 1000 : Math.max(feed?.toldAt ?? 0, card.updated);
    const { trans } = this._options;
    const left = told && told === job ? feed!.pace.left(now) : savedLeft(card, now);
    this.node.setAttribute('aria-label', trans.__('Job %1: %2', job.name, Head.word(job, trans)));
    this._head.set(job, now, left, this._actions?.cancelling ?? false);
    this._actions?.set(job);
    this._meters.set(ended ? null : (feed?.readings ?? null), feed?.samples ?? [], now);
    const whole = feed?.log.length ? feed.log : null;
    if (!whole && this._saved?.of !== card) {
      this._saved = { of: card, log: savedLog(card.log.lines) };
    }
    const log = whole ?? this._saved?.log ?? null;
    this._log.log = log;
    const shownBelow = ended && log ? log.endsWith((job.error?.traceback ?? '').split('\n'), job.error?.rank ?? null) : 0;
    this._log.without = shownBelow;
    this._log.tools = !!whole && whole.length > ROWS;
    show(this._log.node, (log?.length ?? 0) > shownBelow);
    this._log.paint();
    const earlier = ended ? '' : String(card.earlier?.words ?? '');
    say(this._earlier, earlier.charAt(0).toUpperCase() + earlier.slice(1));
    show(this._earlier, !!earlier);
    this._paintEnd(job, ended);
    this._paintNotes(card);
    say(this._foot, this._state(card, job));
    show(this._foot, !!this._foot.textContent);
  }

  dispose(): void {
    this._isDisposed = true;
    this._observer?.disconnect();
    this._log.dispose();
    this._drop();
    shared.changed.disconnect(this._connect, this);
  }

  private get _host(): CardHost | null {
    return this._options.host ?? shared.workbench;
  }

  private _painting(): boolean {
    return !!this._card && Date.now() / 1000 - this._card.updated < 5;
  }

  private _paintEnd(job: Job, ended: boolean): void {
    const card = this._card!;
    const key = ended ? `${job.id} ${job.state} ${card.updated} ${job.returned.length} ${job.energy ? 1 : 0}` : '';
    if (key === this._endKey) {
      return;
    }
    this._endKey = key;
    const { trans, sanitizer } = this._options;
    const text = ended ? (job.error?.traceback ?? '') : '';
    this._error.replaceChildren(...(text ? [traceback(text, String(job.error?.type ?? ''))] : []));
    this._facts.replaceChildren(
      ...(ended ? facts(job, trans) : []).flatMap(fact => [
        h('dt', {}, fact.label),
        h('dd', { class: fact.bad ? 'jp-mod-bad' : null, title: fact.why }, fact.text)
      ])
    );
    show(this._facts, this._facts.childElementCount > 0);
    const outputs = ended ? outputsOf(this._html, card.outputs, sanitizer) : [];
    this._outputs.replaceChildren(...outputs);
  }

  private _paintNotes(card: CardData): void {
    const notes = [...card.notes, ...(this._feed?.readings?.limits ?? [])];
    if (notes.join('\n') !== this._noted) {
      this._noted = notes.join('\n');
      this._notes.replaceChildren(...notes.map(note => h('div', { class: 'jp-Sovlab-note' }, note)));
    }
  }

  /** How true what is shown is. */
  private _state(card: CardData, job: Job): string {
    const { trans } = this._options;
    if (this._removed) {
      return trans.__('Removed. What is shown is what the notebook has.');
    }
    if (hasEnded(job.state)) {
      return '';
    }
    const asOf = known(card.updated) ? time(card.updated) : '';
    if (!this._trusted) {
      return trans.__('As of %1. Cards stand still in a notebook that is not trusted: see Trust Notebook in the command palette.', asOf);
    }
    const workbench = this._host;
    if (!workbench || workbench.link === 'absent' || workbench.link === 'stranger') {
      return this._painting() ? '' : trans.__('As of %1; sovlab does not run on this server.', asOf);
    }
    if (this._feed?.problem) {
      const problem = this._feed.problem;
      const why = problem.status === 404 ? trans.__('This server does not know the job.') : problem.detail;
      return trans.__('As of %1. %2', asOf, why);
    }
    if (workbench.link === 'lost' || workbench.link === 'starting') {
      const last = time(Math.max(this._feed?.toldAt ?? 0, card.updated));
      const lost = trans.__('As of %1; reconnecting. The job goes on without this page.', last);
      return this._painting() ? '' : workbench.away ? trans.__('As of %1. %2', last, workbench.away) : lost;
    }
    const health = workbench.jobsOf(job.target).health;
    if (health?.state === 'down') {
      return trans.__('%1 does not answer; shown is what was known at %2.', job.target, time(health.seen));
    }
    return '';
  }

  private _saw(visible: boolean): void {
    this._visible = visible;
    this._connect();
  }

  /** Follow the job while the card is seen, trusted, and there is something to be told. */
  private _connect(): void {
    const workbench = this._host;
    const card = this._card;
    if (!workbench || !card || !this._trusted || this._isDisposed) {
      this._drop();
      return;
    }
    if (!this._actions) {
      this._actions = new Actions(this._head.buttons, workbench, {
        printed: () => !!this._log.log?.length,
        trans: this._options.trans,
        open: shared.openJob,
        onRemove: () => {
          this._removed = true;
          this._drop();
          this.update();
        }
      });
      this._said.replaceChildren(this._actions.node);
      workbench.changed.connect(this.update, this);
    }
    const wanted = this._visible && !this._removed && (!hasEnded(card.state) || !!this._feed);
    if (wanted && !this._feed) {
      this._feed = workbench.follow({ id: card.id, target: card.target });
      this._feed.changed.connect(this._told, this);
      this._timer = setInterval(this.update, 1000);
      void this._feed.fetchPower().catch(() => undefined);
    } else if (!wanted && this._feed && !this._feed.complete) {
      this._release();
    }
  }

  private _told(feed: JobFeed): void {
    if (feed.complete && this._timer !== undefined) {
      clearInterval(this._timer);
      this._timer = undefined;
      void this._finish(feed);
    }
    this.update();
  }

  /** The kernel may be gone: then what the job displayed is had from the server. */
  private async _finish(feed: JobFeed): Promise<void> {
    await new Promise(done => setTimeout(done, 1500));
    if (this._isDisposed || !this._card || hasEnded(this._card.state) || !this._host) {
      return;
    }
    const { data } = await this._host.rest.card(feed.key).catch(() => ({ data: {} }) as never);
    const ended = cardData((data as Record<string, unknown>)[CARD_MIME]);
    if (ended && !this._isDisposed) {
      this.set(ended, (data as Record<string, unknown>)['text/html'], this._trusted);
    }
  }

  private _release(): void {
    const feed = this._feed;
    this._feed = null;
    clearInterval(this._timer);
    this._timer = undefined;
    feed?.changed.disconnect(this._told, this);
    if (feed) {
      this._host?.release(feed);
    }
  }

  private _drop(): void {
    this._release();
    if (this._actions) {
      this._host?.changed.disconnect(this.update, this);
      this._actions = null;
      this._head.buttons.replaceChildren();
      this._said.replaceChildren();
    }
  }

  private _actions: Actions | null = null;
  private _card: CardData | null = null;
  private _earlier: HTMLElement;
  private _endKey: string | null = null;
  private _error: HTMLElement;
  private _facts: HTMLElement;
  private _feed: JobFeed | null = null;
  private _foot: HTMLElement;
  private _head: Head;
  private _html: unknown = null;
  private _isDisposed = false;
  private _log: LogView;
  private _meters: Meters;
  private _noted = '';
  private _notes: HTMLElement;
  private _observer: IntersectionObserver | null;
  private _outputs: HTMLElement;
  private _removed = false;
  private _said: HTMLElement;
  private _saved: { of: CardData; log: ReturnType<typeof savedLog> } | null = null;
  private _timer: ReturnType<typeof setInterval> | undefined;
  private _trusted = false;
  private _visible = false;
}

function savedLeft(card: CardData, now: number): number | null {
  const left = (card.progress as { seconds_left?: number | null } | null)?.seconds_left;
  return known(left) ? Math.max(left - (now - card.updated), 0) : null;
}
