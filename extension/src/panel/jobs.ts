/** The jobs of a target: search, states, order, many at once. */
import { button, h, name, onFrame, say, show } from '../card/dom';
import type { JobList, SortKey } from '../model/jobs';
import type { JobKey } from '../model/problems';
import { hasEnded, type JobRow } from '../model/types';
import { duration, energy, joined, known, time, utc } from '../model/units';
import type { Workbench } from '../model/workbench';
import { elapsed, figure, stateWord, tone, type Trans } from '../model/words';
import { List } from './list';

const MARKS = { running: '●', good: '✓', bad: '✕', waiting: '○', warned: '−' };
const HEIGHT = 44;
const STATES: Record<string, readonly string[]> = {
  all: [],
  active: ['pending', 'queued', 'running', 'suspended'],
  failed: ['failed', 'unknown'],
  ended: ['succeeded', 'failed', 'cancelled']
};

export interface JobsOptions {
  trans: Trans;
  open: (key: JobKey) => void;
}

export class JobsSection {
  constructor(
    private _workbench: Workbench,
    private _options: JobsOptions
  ) {
    const { trans } = _options;
    const input = (event: Event) => (event.target as HTMLInputElement).value;
    this._search = h('input', {
      type: 'search',
      class: 'jp-Sovlab-input',
      placeholder: trans.__('Find jobs'),
      'aria-label': trans.__('Find jobs by name, id or message')
    });
    this._search.addEventListener('input', event => this._jobs.show({ q: input(event) }));
    this._states = this._select(trans.__('Which jobs'), [
      ['all', trans.__('all')],
      ['active', trans.__('going on')],
      ['failed', trans.__('failed')],
      ['ended', trans.__('ended')]
    ]);
    this._states.addEventListener('change', event => this._jobs.show({ states: STATES[input(event)] }));
    this._sort = this._select(trans.__('In which order'), [
      ['submitted desc', trans.__('newest first')],
      ['submitted asc', trans.__('oldest first')],
      ['name asc', trans.__('by name')],
      ['state asc', trans.__('by state')],
      ['ran desc', trans.__('longest first')],
      ['energy desc', trans.__('most energy first')]
    ]);
    this._sort.addEventListener('change', event => {
      const [sort, order] = input(event).split(' ');
      this._jobs.show({ sort: sort as SortKey, order: order as 'asc' | 'desc' });
    });
    for (const control of [this._search, this._states, this._sort]) {
      control.addEventListener('keydown', event => event.stopPropagation());
    }
    this._list = new List({
      label: trans.__('Jobs'),
      rowHeight: HEIGHT,
      keyOf: index => this._jobs.at(index)?.id ?? null,
      render: (row, index) => this._render(row, this._jobs.at(index)),
      onWindow: (first, end) => this._jobs.ensure(first, end),
      onOpen: id => _options.open({ id, target: this._jobs.target }),
      onChosen: () => this._paintBulk(),
      onDelete: () => void this._bulk('remove')
    });
    this._count = h('span', { class: 'jp-Sovlab-quiet' });
    this._chosen = h('span', {});
    this._buttons = {
      cancel: button(trans.__('Cancel'), () => void this._bulk('cancel')),
      rerun: button(trans.__('Rerun'), () => void this._bulk('rerun')),
      remove: button(trans.__('Remove'), () => void this._bulk('remove'))
    };
    this._bulkBar = h(
      'div',
      { class: 'jp-Sovlab-said', role: 'toolbar', 'aria-label': trans.__('The chosen jobs') },
      this._chosen,
      h('span', { class: 'jp-Sovlab-buttons' }, ...Object.values(this._buttons))
    );
    this._result = h('div', { class: 'jp-Sovlab-said', role: 'status' });
    this._empty = h('div', { class: 'jp-Sovlab-empty' });
    this.node = h(
      'section',
      { class: 'jp-Sovlab-section jp-mod-jobs', 'aria-label': trans.__('Jobs') },
      h('h3', {}, h('span', {}, trans.__('Jobs')), h('span', { class: 'jp-Sovlab-space' }), this._count),
      h('div', { class: 'jp-Sovlab-tools' }, this._search, this._states, this._sort),
      this._bulkBar,
      this._result,
      this._empty,
      this._list.node
    );
    show(this._bulkBar, false);
    show(this._result, false);
    this._workbench.changed.connect(this._update, this);
    this._retarget();
  }

  readonly node: HTMLElement;

  /** Whether anything of it can be seen: hidden panels are not painted. */
  visible = false;

  paint(): void {
    this._retarget();
    const { trans } = this._options;
    const jobs = this._jobs;
    const going = jobs.counts.running ?? 0;
    const waiting = ['pending', 'queued', 'suspended'].reduce((sum, state) => sum + (jobs.counts[state] ?? 0), 0);
    const counts = [
      going ? trans.__('%1 running', going) : '',
      waiting ? trans.__('%1 waiting', waiting) : '',
      jobs.known && jobs.total ? trans.__('%1 in all', jobs.total.toLocaleString('en-US')) : ''
    ];
    say(this._count, counts.filter(Boolean).join(' · '));
    this._list.length = jobs.length;
    this._list.paint();
    const filtered = jobs.view.q || jobs.view.states.length;
    const none = jobs.known && jobs.length === 0 && (jobs.isWhole || !!jobs.problem);
    show(this._empty, none);
    show(this._list.node, !none);
    if (none) {
      this._paintEmpty(!!filtered);
    }
  }

  dispose(): void {
    this._workbench.changed.disconnect(this._update, this);
    this._jobs.changed.disconnect(this._update, this);
    this._list.dispose();
  }

  private _update = onFrame(() => {
    if (this.visible) {
      this.paint();
    }
  });

  private _retarget(): void {
    const jobs = this._workbench.jobs;
    if (jobs !== this._jobs) {
      this._jobs?.changed.disconnect(this._update, this);
      this._jobs = jobs;
      jobs.changed.connect(this._update, this);
      jobs.show({ q: this._search.value, states: STATES[this._states.value] });
      this._list.choose([]);
    }
  }

  private _select(label: string, options: [string, string][]): HTMLSelectElement {
    const entries = options.map(([value, text]) => h('option', { value }, text));
    return h('select', { class: 'jp-Sovlab-select', 'aria-label': label }, ...entries);
  }

  private _render(row: HTMLElement, job: JobRow | null): void {
    const { trans } = this._options;
    const now = Date.now() / 1000;
    if (!job) {
      row.dataset.tone = 'waiting';
      row.dataset.shown = '';
      row.replaceChildren(h('span', { class: 'jp-Sovlab-cell', role: 'gridcell' }, '…'));
      return;
    }
    const parts = this._words(job, now);
    const shown = [job.id, job.state, ...parts].join('\n');
    if (row.dataset.shown === shown) {
      return;
    }
    row.dataset.shown = shown;
    row.dataset.tone = tone(job.state);
    const [said, right, what, when, ran, took] = parts;
    const cell = (className: string, text: string, title = '') =>
      h('span', { class: `jp-Sovlab-cell ${className}`, role: 'gridcell', title: title || null }, text);
    row.replaceChildren(
      h(
        'span',
        { class: 'jp-Sovlab-check', role: 'gridcell' },
        h('span', { class: 'jp-Sovlab-mark', role: 'img', 'aria-label': stateWord(job.state, trans) },
          MARKS[tone(job.state)])
      ),
      h(
        'span',
        { class: 'jp-Sovlab-cell jp-mod-name', role: 'gridcell', title: `${job.name} (${job.id})\n${job.message}` },
        name(job.name, 'jp-Sovlab-rowname'),
        h('small', {}, said)
      ),
      cell('jp-mod-wide', what),
      cell('jp-mod-wide jp-mod-number', when, utc(job.submitted)),
      cell('jp-mod-wide jp-mod-number', ran),
      cell('jp-mod-wide jp-mod-number', took),
      cell('jp-mod-narrow jp-mod-number', right)
    );
  }

  private _words(job: JobRow, now: number): string[] {
    const seconds = elapsed(job, now);
    const waits = job.message.replace(/^waiting:\s*/, '');
    const took = hasEnded(job.state) && seconds !== null ? ` · ${duration(seconds)}` : '';
    const why = job.state === 'failed' && job.message ? `: ${job.message}` : '';
    const goes = hasEnded(job.state) || job.state === 'running';
    const said = goes ? `${job.words}${why}${took}` : waits || job.words;
    return [
      said,
      figure(job, now),
      job.hardware,
      time(job.submitted, now),
      seconds === null ? '' : duration(job.ended === null ? Math.floor(seconds) : seconds),
      known(job.energy?.value) ? joined(energy(job.energy.value)) : ''
    ];
  }

  private _paintEmpty(filtered: boolean): void {
    const { trans } = this._options;
    const jobs = this._jobs;
    if (jobs.problem) {
      this._sayEmpty(trans.__('The jobs cannot be listed'), `${jobs.problem.detail} ${jobs.problem.hint}`);
    } else if (filtered) {
      this._sayEmpty(trans.__('No such job'), trans.__('None of the %1 jobs fits what is looked for.', jobs.total));
    } else {
      const text = trans.__(
        'Put %1 above a cell, or press Submit on its toolbar. It runs on this machine until you add a cluster.',
        '%%sovsubmit' // in the text itself, translating would leave one percent sign of two
      );
      this._sayEmpty(trans.__('No jobs yet'), text);
    }
  }

  private _sayEmpty(title: string, text: string): void {
    if (this._empty.textContent !== title + text) {
      this._empty.replaceChildren(h('b', {}, title), h('span', {}, text));
    }
  }

  private get _rows(): JobRow[] {
    return [...this._list.chosen].map(id => this._jobs.get(id)).filter((row): row is JobRow => !!row);
  }

  private _paintBulk(): void {
    const { trans } = this._options;
    const rows = this._rows;
    const { write, execute } = this._workbench.may;
    show(this._bulkBar, rows.length > 0);
    say(this._chosen, trans._n('%1 chosen', '%1 chosen', rows.length));
    this._buttons.cancel.disabled = !write || !rows.some(row => !hasEnded(row.state));
    this._buttons.rerun.disabled = !execute || !rows.some(row => hasEnded(row.state));
    this._buttons.remove.disabled = !write || !rows.some(row => hasEnded(row.state) || row.state === 'unknown');
    show(this._result, false);
    this._sure = '';
  }

  /** Do it with those of the chosen that it can be done with; a second press says that it is meant. */
  private async _bulk(action: 'cancel' | 'rerun' | 'remove'): Promise<void> {
    const { trans } = this._options;
    const done = action === 'cancel' ? (row: JobRow) => !hasEnded(row.state) : (row: JobRow) => hasEnded(row.state);
    const rows = this._rows.filter(row => done(row) || (action === 'remove' && row.state === 'unknown'));
    if (!rows.length) {
      return;
    }
    if (action !== 'rerun' && this._sure !== action) {
      this._sure = action;
      const words =
        action === 'cancel'
          ? trans._n('Cancel %1 job? Press again.', 'Cancel %1 jobs? Press again.', rows.length)
          : trans._n(
              'Remove %1 job, its log and results? Press again.',
              'Remove %1 jobs, their logs and results? Press again.',
              rows.length
            );
      this._say(words, false);
      return;
    }
    this._sure = '';
    this._say('…', false);
    const keys = rows.map(row => ({ id: row.id, target: row.target }));
    try {
      const failed: string[] = [];
      for (let i = 0; i < keys.length; i += 500) {
        const { results } = await this._workbench.rest.bulk(action, keys.slice(i, i + 500));
        for (const each of results) {
          if (each.problem) {
            failed.push(`${this._jobs.get(each.id)?.name ?? each.id}: ${each.problem.detail}`);
          }
        }
      }
      const good = keys.length - failed.length;
      const words: Record<string, string> = {
        cancel: trans._n('%1 job was asked to end.', '%1 jobs were asked to end.', good),
        rerun: trans._n('%1 job runs again.', '%1 jobs run again.', good),
        remove: trans._n('%1 job was removed.', '%1 jobs were removed.', good)
      };
      this._list.choose([]);
      this._say([good ? words[action] : '', ...failed].filter(Boolean).join('\n'), failed.length > 0);
    } catch (error) {
      this._say(error instanceof Error ? error.message : String(error), true);
    }
  }

  private _say(text: string, bad: boolean): void {
    say(this._result, text);
    this._result.classList.toggle('jp-mod-bad', bad);
    show(this._result, true);
  }

  private _bulkBar: HTMLElement;
  private _buttons: Record<'cancel' | 'rerun' | 'remove', HTMLButtonElement>;
  private _chosen: HTMLElement;
  private _count: HTMLElement;
  private _empty: HTMLElement;
  private _jobs!: JobList;
  private _list: List;
  private _result: HTMLElement;
  private _search: HTMLInputElement;
  private _sort: HTMLSelectElement;
  private _states: HTMLSelectElement;
  private _sure = '';
}
