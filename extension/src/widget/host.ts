/** What a card is told and asks for where there is no server of ours: the kernel's end of the widget does it. */
import { Signal } from '@lumino/signaling';
import type { CardHost } from '../card/host';
import { JobFeed } from '../model/feed';
import { ProblemError } from '../model/problems';
import type { Rest } from '../model/rest';
import { type CardData, cardData, hasEnded, type Readings } from '../model/types';
import type { Link } from '../model/workbench';
import type { Trans } from '../model/words';

/** As much of anywidget's model as is needed here. */
export interface Model {
  get(name: string): unknown;
  on(event: string, callback: (...args: any[]) => void): void;
  off(event: string, callback: (...args: any[]) => void): void;
  send(content: unknown): void;
}

/** Seconds without a word after which a job that runs is no longer followed; the kernel says something every five. */
const SILENCE = 15;
/** Milliseconds after which a question that was not answered is given up. */
const PATIENCE = 20_000;

interface Asked {
  done: (answer: any) => void;
  failed: (error: Error) => void;
  timer: ReturnType<typeof setTimeout>;
}

export class KernelHost implements CardHost {
  constructor(
    private _model: Model,
    private _trans: Trans
  ) {
    this.away = _trans.__('The kernel says nothing more. The job goes on without it.');
    this.rest = {
      cancel: () => this._ask('cancel'),
      rerun: () => this._ask('rerun'),
      remove: () => this._ask('remove'),
      manifests: () => this._ask('manifests'),
      card: () => Promise.reject(this._problem(this.away))
    };
    _model.on('msg:custom', this._hear);
    const card = this.card;
    const now = Date.now() / 1000;
    this._heard = card && Math.abs(now - card.updated) < SILENCE ? now : -Infinity;
  }

  readonly away: string;
  readonly changed = new Signal<this, void>(this);
  readonly may = { write: true, execute: true };
  readonly rest: Pick<Rest, 'cancel' | 'card' | 'manifests' | 'remove' | 'rerun'>;

  /** The card as the kernel has it; null if what the model holds is none. */
  get card(): CardData | null {
    return cardData(this._model.get('card'));
  }

  get link(): Link {
    const card = this.card;
    const silent = Date.now() / 1000 - this._heard > SILENCE;
    return this._deaf || (silent && !(card && hasEnded(card.state))) ? 'lost' : 'live';
  }

  follow(): JobFeed {
    if (!this._feed) {
      const none = () => Promise.reject(this._problem(this.away));
      const card = this.card;
      this._feed = new JobFeed({ id: card?.id ?? '', target: card?.target ?? '' }, { log: none, power: none });
      this._tell();
    }
    return this._feed;
  }

  release(): void {
    this._feed = null;
  }

  jobsOf(): { health: null } {
    return { health: null };
  }

  /** The model has changed: the kernel lives. */
  take(): void {
    this._heard = Date.now() / 1000;
    this._deaf = false;
    this._tell();
    this.changed.emit();
  }

  dispose(): void {
    this._model.off('msg:custom', this._hear);
    this._asked.forEach(({ timer }) => clearTimeout(timer));
    this._asked.clear();
    Signal.clearData(this);
  }

  private _tell(): void {
    const card = this.card;
    if (!this._feed || !card) {
      return;
    }
    const readings = this._model.get('readings') as Readings | null;
    if (readings && Array.isArray(readings.devices) && readings.time !== this._feed.readings?.time) {
      this._feed.measure(readings);
    }
    this._feed.take(card, hasEnded(card.state));
  }

  private _ask(what: string): Promise<any> {
    const id = ++this._last;
    return new Promise((done, failed) => {
      const timer = setTimeout(() => {
        this._asked.delete(id);
        this._deaf = true;
        this.changed.emit();
        failed(this._problem(this._trans.__('The kernel has not answered: it is busy, or gone. If it is busy, it does this when it is free.')));
      }, PATIENCE);
      this._asked.set(id, { done, failed, timer });
      this._model.send({ type: 'ask', id, what });
    });
  }

  private _hear = (message: any): void => {
    const asked = message?.type === 'answer' ? this._asked.get(message.id) : undefined;
    if (!asked) {
      return;
    }
    this._asked.delete(message.id);
    clearTimeout(asked.timer);
    this._heard = Date.now() / 1000;
    this._deaf = false;
    if (typeof message.problem === 'string') {
      asked.failed(this._problem(message.problem));
    } else {
      asked.done(message.answer);
    }
  };

  private _problem(detail: string): ProblemError {
    return new ProblemError({ type: 'urn:sovlab:problem:kernel', title: '', status: 0, detail, hint: '', errors: [] });
  }

  private _asked = new Map<number, Asked>();
  private _deaf = false;
  private _feed: JobFeed | null = null;
  private _heard: number;
  private _last = 0;
}
