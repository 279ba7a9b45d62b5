/** The first lines of a card and of a job in the main area: state, name, place, buttons, progress. */
import type { Job } from '../model/types';
import { hasEnded } from '../model/types';
import { known, percent, time, utc } from '../model/units';
import { headline, place, progressWords, sentence, stateWord, timeLeft, tone, type Trans } from '../model/words';
import { h, name, say, show } from './dom';

const MARKS = { running: '●', good: '✓', bad: '✕', waiting: '○', warned: '−' };

export class Head {
  constructor(private _trans: Trans) {
    this._mark = h('span', { class: 'jp-Sovlab-mark', 'aria-hidden': 'true' });
    this._name = name('');
    this._state = h('span', { class: 'jp-Sovlab-state' });
    this._place = h('span', { class: 'jp-Sovlab-quiet' });
    this.buttons = h('span', { class: 'jp-Sovlab-buttons' });
    this._fill = h('span', { class: 'jp-Sovlab-fill' });
    this._bar = h('div', { class: 'jp-Sovlab-bar', role: 'progressbar', 'aria-valuemin': 0, 'aria-valuemax': 100 });
    this._bar.append(this._fill);
    this._progress = h('div', { class: 'jp-Sovlab-why' });
    this._why = h('div', { class: 'jp-Sovlab-why' });
    const words = h('span', { class: 'jp-Sovlab-words' }, this._name, ' ', this._state, this._place);
    this.node = h(
      'div',
      {},
      h('div', { class: 'jp-Sovlab-head' }, this._mark, words, this.buttons),
      this._bar,
      this._progress,
      this._why
    );
  }

  readonly node: HTMLElement;
  readonly buttons: HTMLElement;

  /**
   * @param now when it is, or when what is shown was true.
   * @param left seconds until the last step; null if not known.
   * @param cancelling whether it was asked to end.
   */
  set(job: Job, now: number, left: number | null, cancelling = false): void {
    const trans = this._trans;
    const ended = hasEnded(job.state);
    this.node.dataset.tone = tone(job.state);
    say(this._mark, MARKS[tone(job.state)]);
    say(this._name, job.name);
    this._name.title = job.id;
    const words = headline(job, now, trans);
    say(this._state, cancelling && !ended ? trans.__('%1 · cancelling', words) : words);
    this._state.title = [
      [trans.__('Submitted'), job.submitted] as const,
      [trans.__('Started'), job.started] as const,
      [trans.__('Ended'), job.ended] as const
    ]
      .filter(([, at]) => known(at))
      .map(([what, at]) => `${what} ${time(at)} (${utc(at)})`)
      .join('\n');
    const where = place(job, trans);
    say(this._place, where ? ` · ${where}` : '');
    this._place.title = job.backend_why ?? '';
    const fraction = ended ? null : (job.progress?.fraction ?? null);
    show(this._bar, known(fraction));
    if (known(fraction)) {
      this._fill.style.width = `${Math.min(Math.max(fraction, 0), 1) * 100}%`;
      this._bar.setAttribute('aria-valuenow', String(Math.round(fraction * 100)));
      this._bar.setAttribute('aria-label', trans.__('Progress of %1: %2', job.name, percent(fraction)));
    }
    const progress = ended
      ? ''
      : [progressWords(job, trans), timeLeft(left, trans)].filter(Boolean).join(' · ');
    say(this._progress, progress);
    show(this._progress, !!progress);
    const why = sentence(job);
    say(this._why, why);
    show(this._why, !!why);
  }

  /** The state in one word, for an accessible name. */
  static word(job: Job, trans: Trans): string {
    return stateWord(job.state, trans);
  }

  private _bar: HTMLElement;
  private _fill: HTMLElement;
  private _mark: HTMLElement;
  private _name: HTMLElement;
  private _place: HTMLElement;
  private _progress: HTMLElement;
  private _state: HTMLElement;
  private _why: HTMLElement;
}
