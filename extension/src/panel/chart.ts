/**
 * Power and temperature over the time of a job, to be looked into: a cursor with its numbers, zoom, and a table for those
 * who do not see the curves. The library that draws them is loaded when there is first something to draw.
 */
import type uPlot from 'uplot';
import { button, h, onFrame, say, show } from '../card/dom';
import { type Drawn, drawn, type Sample } from '../model/curves';
import { duration, heat, joined, power, time, UNKNOWN } from '../model/units';
import type { Trans } from '../model/words';
import { chartOptions } from './chartoptions';
import { ChartTable } from './charttable';

const HEIGHT = 160;
/** Of a zoom by a key, how much of the time remains. */
const CLOSER = 0.5;
/** Seconds that are shown at least. */
const CLOSEST = 10;

/** What of a job is drawn beside its samples. */
export interface About {
  /** Where the watts are from, in words. */
  source: string;
  /** When something happened that is marked, with its name. */
  marks: readonly [time: number, label: string][];
}

export class Chart {
  /** @param load gives the library; its own chunk if it is not said. */
  constructor(
    private _trans: Trans,
    private _load: () => Promise<{ default: typeof uPlot }> = () => import('uplot')
  ) {
    this._whole = button(_trans.__('Whole time'), () => this._zoom(null), {
      title: _trans.__('Drag over the curves to see a part of the time')
    });
    this._readout = h('span', { class: 'jp-Sovlab-chart-readout', role: 'status' });
    this._plot = h('div', { class: 'jp-Sovlab-chart-plot', tabindex: 0, role: 'group' });
    this._plot.addEventListener('keydown', event => this._key(event));
    this._table = new ChartTable(_trans);
    this._problem = h('div', { class: 'jp-Sovlab-why' });
    this.node = h(
      'div',
      { class: 'jp-Sovlab-chart' },
      h('div', { class: 'jp-Sovlab-chart-tools' }, this._readout, h('span', { class: 'jp-Sovlab-space' }), this._whole),
      this._plot,
      this._problem,
      this._table.node
    );
    show(this.node, false);
    show(this._whole, false);
    show(this._problem, false);
    this._sizes = typeof ResizeObserver === 'undefined' ? null : new ResizeObserver(() => this._resized());
    this._sizes?.observe(this._plot);
    this._theme = new MutationObserver(() => this._made?.redraw(false));
    this._theme.observe(document.body, { attributes: true, attributeFilter: ['data-jp-theme-name', 'data-jp-theme-light', 'class'] });
  }

  readonly node: HTMLElement;

  /** Show other samples; a part of the time that was zoomed into stays in view. */
  set(samples: readonly Sample[], about: About): void {
    const told = samples.filter(sample => sample.watts !== null || sample.celsius !== null).length;
    show(this.node, told > 1);
    if (told < 2) {
      return;
    }
    const last = samples[samples.length - 1];
    const key = `${samples.length} ${samples[0].time} ${last.time} ${about.source} ${about.marks.flat().join(' ')}`;
    if (key === this._shown) {
      return;
    }
    this._shown = key;
    this._about = about;
    this.drawn = drawn(samples);
    this._plot.setAttribute('aria-label', this._summary());
    this._table.set(this.drawn, about.source);
    this._paint();
  }

  /** What is drawn. */
  drawn: Drawn = drawn([]);

  dispose(): void {
    this._isDisposed = true;
    this._sizes?.disconnect();
    this._theme.disconnect();
    this._made?.destroy();
    this._made = null;
  }

  private _paint = onFrame(() => {
    if (this._made && this._heated !== this._isHeated()) {
      this._made.destroy(); // its scales are made with it
      this._made = null;
      this._begun = false;
    }
    const made = this._made;
    if (made && !this._isDisposed) {
      made.setData(this._columns(), this._part === null);
      if (this._part) {
        made.setScale('x', { min: this._part[0], max: this._part[1] });
      }
      this._say();
    } else {
      void this._begin();
    }
  });

  private _columns(): uPlot.AlignedData {
    return [this.drawn.times, this.drawn.watts, this.drawn.celsius];
  }

  /** Load the library and make the plot, once it has a size: a page in the background has none. */
  private async _begin(): Promise<void> {
    if (this._begun || this._isDisposed || !this._plot.clientWidth || this.drawn.times.length < 2) {
      return;
    }
    this._begun = true;
    try {
      const { default: Plot } = await this._load();
      if (this._isDisposed) {
        return;
      }
      this._heated = this._isHeated();
      const options = chartOptions({
        node: this._plot,
        width: this._plot.clientWidth,
        height: HEIGHT,
        watts: this._trans.__('Power, W'),
        celsius: this._trans.__('Temperature, °C'),
        heated: this._heated,
        drawn: () => this.drawn,
        marks: () => this._about.marks,
        onCursor: () => this._say(),
        onZoom: part => this._zoom(part)
      });
      this._made = new Plot(options, this._columns(), this._plot);
      this._paint();
    } catch (error) {
      // The table has all of it.
      const why = error instanceof Error ? error.message : String(error);
      say(this._problem, this._trans.__('The curves cannot be drawn: %1', why));
      show(this._problem, true);
      this._table.open();
    }
  }

  private _isHeated(): boolean {
    return this.drawn.celsius.some(value => value !== null);
  }

  private _resized(): void {
    const width = this._plot.clientWidth;
    if (this._made && width) {
      this._made.setSize({ width, height: HEIGHT });
    } else {
      void this._begin();
    }
  }

  /** Show a part of the time; null is all of it. */
  private _zoom(part: [number, number] | null): void {
    const { times } = this.drawn;
    const [first, last] = [times[0], times[times.length - 1]];
    const from = part ? Math.max(part[0], first) : first;
    const to = part ? Math.min(part[1], last) : last;
    this._part = part && to - from < last - first ? [from, Math.max(to, from + CLOSEST)] : null;
    show(this._whole, !!this._part);
    const [min, max] = this._part ?? [first, last];
    this._made?.setScale('x', { min, max });
  }

  /** Arrows move the cursor, plus and minus zoom around it, Escape and 0 show all. */
  private _key(event: KeyboardEvent): void {
    const { times } = this.drawn;
    const made = this._made;
    if (!made || event.ctrlKey || event.metaKey || event.altKey) {
      return;
    }
    const [min, max] = [made.scales.x.min ?? times[0], made.scales.x.max ?? times[times.length - 1]];
    const first = times.findIndex(each => each >= min);
    const after = times.findIndex(each => each > max);
    const last = (after < 0 ? times.length : after) - 1;
    const at = made.cursor.idx ?? last;
    const steps: Record<string, number> = {
      ArrowLeft: at - 1,
      ArrowRight: at + 1,
      PageUp: at - 60,
      PageDown: at + 60,
      Home: first,
      End: last
    };
    if (event.key in steps) {
      this._point(Math.min(Math.max(steps[event.key], first), last));
    } else if (event.key === '+' || event.key === '-') {
      const half = ((max - min) / 2) * (event.key === '+' ? CLOSER : 1 / CLOSER);
      const pointed = made.cursor.idx ?? null;
      const middle = pointed === null ? (min + max) / 2 : Math.min(Math.max(times[pointed], min), max);
      this._zoom([middle - half, middle + half]);
      if (pointed !== null) {
        this._point(pointed);
      }
    } else if (event.key === '0' || (event.key === 'Escape' && this._part)) {
      this._zoom(null);
    } else {
      return;
    }
    event.preventDefault();
    event.stopPropagation();
  }

  private _point(index: number): void {
    const made = this._made;
    if (made) {
      const value = this.drawn.watts[index] ?? 0;
      const top = Math.max(made.valToPos(value, 'W'), 0);
      made.setCursor({ left: made.valToPos(this.drawn.times[index], 'x'), top: Number.isFinite(top) ? top : 0 });
    }
  }

  private _say(): void {
    const index = this._made?.cursor.idx;
    say(this._readout, typeof index === 'number' && index < this.drawn.times.length ? this.words(index) : this._span());
  }

  /** What is known at one time, in words. */
  words(index: number): string {
    const trans = this._trans;
    const { times, watts, celsius, slowed, seconds } = this.drawn;
    const at = times[index];
    const then = new Date(at * 1000).toLocaleTimeString([], { hour12: false });
    const day = time(at).includes(' ') ? `${time(at).split(' ')[0]} ` : '';
    if (watts[index] === null && celsius[index] === null) {
      return trans.__('%1: not known', day + then);
    }
    const drew = joined(power(watts[index]));
    const mean = seconds[index] > 1.5 ? trans.__('mean of %1', duration(seconds[index])) : '';
    const from = watts[index] === null ? '' : [this._about.source, mean].filter(Boolean).join(', ');
    const parts = [from ? `${drew} (${from})` : drew];
    if (celsius[index] !== null) {
      parts.push(trans.__('%1 (sampled)', joined(heat(celsius[index]))));
    }
    if (slowed.some(([begin, end]) => begin <= at && at <= end)) {
      parts.push(trans.__('slowed'));
    }
    return `${day}${then}: ${parts.join(' · ')}`;
  }

  private _span(): string {
    const { times } = this.drawn;
    const [from, to] = this._part ?? [times[0], times[times.length - 1]];
    const source = this._about.source ? ` · ${this._about.source}` : '';
    return `${time(from)} – ${time(to)} (${duration(to - from)})${source}`;
  }

  private _summary(): string {
    const trans = this._trans;
    const { watts, celsius, slowed } = this.drawn;
    const span = (what: string, values: (number | null)[], shown: (value: number) => string) => {
      const told = values.filter((value): value is number => value !== null);
      const [low, high] = told.reduce(([a, b], value) => [Math.min(a, value), Math.max(b, value)], [Infinity, -Infinity]);
      return told.length ? trans.__('%1 %2 to %3', what, shown(low), shown(high)) : `${what} ${UNKNOWN}`;
    };
    return [
      trans.__('Curves over the time'),
      span(trans.__('power'), watts, value => joined(power(value))),
      span(trans.__('temperature'), celsius, value => joined(heat(value))),
      trans._n('slowed %1 time', 'slowed %1 times', slowed.length),
      trans.__('Arrows move through the times, plus and minus zoom; below is a table.')
    ].join('; ');
  }

  private _about: About = { source: '', marks: [] };
  private _begun = false;
  private _heated = false;
  private _isDisposed = false;
  private _shown = '';
  private _made: uPlot | null = null;
  private _part: [number, number] | null = null;
  private _plot: HTMLElement;
  private _problem: HTMLElement;
  private _readout: HTMLElement;
  private _sizes: ResizeObserver | null;
  private _table: ChartTable;
  private _theme: MutationObserver;
  private _whole: HTMLButtonElement;
}
