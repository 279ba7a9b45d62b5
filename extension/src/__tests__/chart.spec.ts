/** @jest-environment jsdom */
import { drawn, type Sample, thinned } from '../model/curves';
import { JobFeed, sourceOf } from '../model/feed';
import { english as trans } from '../model/words';
import { Chart } from '../panel/chart';
import { stretches } from '../panel/charttable';
import { reading } from './made';

const live = (time: number, watts: number | null = 300, more: Partial<Sample> = {}): Sample => ({ time, watts, celsius: 60, slowed: false, ...more });
const told = (time: number, seconds: number, watts: number | null = 300): Sample => ({ time, watts, celsius: null, slowed: false, seconds });

describe('what is drawn', () => {
  it('joins samples that follow each other, and puts nothing between those that are apart', () => {
    const columns = drawn([live(100), live(101), live(102), live(140), live(141)]);
    expect(columns.times).toEqual([100, 101, 102, 121, 140, 141]);
    expect(columns.watts).toEqual([300, 300, 300, null, 300, 300]);
    expect(columns.celsius).toEqual([60, 60, 60, null, 60, 60]);
  });

  it('knows how long a mean is: minutes are joined to minutes, and seconds that are missing are a gap', () => {
    expect(drawn([told(0, 60), told(60, 60), told(120, 1), told(121, 1)]).watts).not.toContain(null);
    expect(drawn([told(0, 60), told(180, 60)]).watts).toEqual([300, null, 300]);
    expect(drawn([told(0, 1), told(1, 1), told(4, 1)]).watts).toEqual([300, 300, null, 300]);
    // Of ten seconds seven are known: that is no gap to the next ten.
    expect(drawn([told(0, 7), told(10, 10)]).watts).toEqual([300, 300]);
    expect(drawn([told(0, 60)]).times).toEqual([30]);
  });

  it('takes the rate for what it is', () => {
    const slow = Array.from({ length: 10 }, (_, i) => live(i * 20));
    expect(drawn(slow).watts).not.toContain(null);
  });

  it('never makes 0 or a value of what is not known', () => {
    const columns = drawn([live(0), live(1, null, { celsius: null }), live(2)]);
    expect(columns.watts).toEqual([300, null, 300]);
    expect(columns.celsius).toEqual([60, null, 60]);
  });

  it('marks the times of slowing, as spans', () => {
    const columns = drawn([live(0), live(1, 300, { slowed: true }), live(2, 300, { slowed: true }), live(3), live(9, 1, { slowed: true })]);
    expect(columns.slowed).toEqual([
      [1, 3],
      [9, 10]
    ]);
  });
});

describe('samples in bounded room', () => {
  it('keeps ten minutes by seconds, and means of what is older, with its gaps', () => {
    const hours = [...Array.from({ length: 7200 }, (_, i) => live(i, 100)), ...Array.from({ length: 7200 }, (_, i) => live(10_000 + i, 200))];
    const few = thinned(hours, 1200);
    expect(few.length).toBeLessThanOrEqual(1200);
    const newest = hours[hours.length - 1].time;
    expect(few.filter(sample => sample.time > newest - 600)).toEqual(hours.slice(-600));
    expect(few[0].time).toBe(0);
    const columns = drawn(few);
    const gap = columns.watts.indexOf(null);
    expect(columns.watts.filter(value => value === null)).toHaveLength(1);
    expect(columns.watts.slice(0, gap).every(value => value === 100)).toBe(true);
    expect(columns.watts.slice(gap + 1).every(value => value === 200)).toBe(true);
  });

  it('is bounded whatever comes', () => {
    expect(thinned(Array.from({ length: 5000 }, (_, i) => live(i / 100)), 1200)).toHaveLength(1200);
    expect(thinned(Array.from({ length: 5000 }, (_, i) => live(i * 1e6)), 1200).length).toBeLessThanOrEqual(1200);
  });

  it('keeps the hottest and the marks in means', () => {
    const samples = Array.from({ length: 2000 }, (_, i) => live(i, 300, { celsius: i === 50 ? 91 : 60, slowed: i === 50 }));
    const old = thinned(samples, 1200).filter(sample => sample.slowed);
    expect(old).toHaveLength(1);
    expect(old[0].celsius).toBe(91);
    expect(old[0].watts).toBe(300);
  });
});

describe('the curve of the server', () => {
  const series = (id: string, points: [number, number, number, number][]) => ({ id, index: 0, kind: 'gpu', name: '', source: 'sampled' as const, points });
  const power = (...all: ReturnType<typeof series>[]) => ({ id: 'x', energy: reading(1), mean: 1, peak: 1, series: all });
  const fed = async (answer: ReturnType<typeof power>) => {
    const feed = new JobFeed({ id: 'x', target: 'local' }, { power: async () => answer, log: async () => Promise.reject() });
    await feed.fetchPower();
    return feed.samples;
  };

  it('adds devices up, and says nothing of a time at which one of them is missing', async () => {
    const samples = await fed(
      power(
        series('a', [[0, 1, 100, 100], [1, 1, 100, 100], [2, 1, 100, 100]]),
        series('b', [[0, 1, 50, 50], [2, 1, 50, 50]])
      )
    );
    expect(samples.map(sample => sample.watts)).toEqual([150, null, 150]);
    expect(samples.map(sample => sample.seconds)).toEqual([1, 1, 1]);
  });
});

describe('the source of the watts', () => {
  it('is that of the devices whose curve it is; of an older server it is not known', () => {
    const series = { id: 'a', index: 0, name: '', points: [[0, 1, 1, 1]] as [number, number, number, number][] };
    const power = { id: 'x', energy: reading(1), mean: 1, peak: 1 };
    const cpu = { ...series, kind: 'cpu', source: 'attributed' as const };
    expect(sourceOf({ ...power, series: [cpu, { ...series, kind: 'gpu', source: 'sampled' as const }] })).toBe('sampled');
    expect(sourceOf({ ...power, series: [{ ...series, kind: 'gpu' } as any] })).toBeNull();
  });
});

describe('the table beside the curves', () => {
  it('has at most sixty stretches, and those of which nothing is known', () => {
    const rows = stretches(drawn([...Array.from({ length: 300 }, (_, i) => live(i, 100)), ...Array.from({ length: 300 }, (_, i) => live(3000 + i, 200))]));
    expect(rows.length).toBeLessThanOrEqual(60);
    expect(rows[0]).toMatchObject({ from: 0, mean: 100, peak: 100, celsius: 60 });
    expect(rows[30]).toMatchObject({ mean: null, peak: null, celsius: null });
    expect(rows[rows.length - 1].mean).toBe(200);
  });

  it('says of each stretch what a longer mean says of it', () => {
    const rows = stretches(drawn([told(0, 60, 100), told(60, 60, 200), told(240, 60, 400)]), 10);
    expect(rows.map(row => row.mean)).toEqual([100, 100, 200, 200, null, null, null, null, 400, 400]);
  });
});

/** What stands for the library: it keeps what it was given. */
class Plot {
  static made: Plot[] = [];
  constructor(public options: any, public data: any) {
    Plot.made.push(this);
  }
  cursor: { idx: number | null } = { idx: null };
  scales = { x: { min: undefined as number | undefined, max: undefined as number | undefined } };
  destroyed = false;
  setData(data: any) {
    this.data = data;
  }
  setScale(_: string, { min, max }: { min: number; max: number }) {
    this.scales.x = { min, max };
  }
  valToPos = (value: number) => value;
  setCursor({ left }: { left: number }) {
    this.cursor.idx = this.data[0].indexOf(left);
    this.options.hooks.setCursor.forEach((hook: any) => hook(this));
  }
  setSize() {}
  redraw() {}
  destroy() {
    this.destroyed = true;
  }
}

describe('the chart', () => {
  const about = { source: 'sampled', marks: [[100, 'started']] as [number, string][] };
  const settle = async () => {
    for (let i = 0; i < 3; i++) {
      await new Promise(done => requestAnimationFrame(() => done(null)));
    }
  };
  const samples = [live(100), live(101, 310), live(102, null, { celsius: null }), live(103, 320, { slowed: true })];
  let loads = 0;
  const make = (load = async () => ({ default: Plot as any })) => {
    const chart = new Chart(trans, () => (loads++, load()));
    Object.defineProperty(chart.node.querySelector('.jp-Sovlab-chart-plot')!, 'clientWidth', { value: 600 });
    return chart;
  };
  const readout = (chart: Chart) => chart.node.querySelector('[role=status]')!.textContent!;
  const press = (chart: Chart, key: string) =>
    chart.node.querySelector('.jp-Sovlab-chart-plot')!.dispatchEvent(new KeyboardEvent('keydown', { key, cancelable: true }));

  beforeEach(() => {
    Plot.made = [];
    loads = 0;
  });

  it('loads nothing until there is something to draw, and then once', async () => {
    const chart = make();
    chart.set([], about);
    await settle();
    expect(chart.node.hidden).toBe(true);
    expect(loads).toBe(0);
    chart.set(samples, about);
    chart.set([...samples, live(104)], about);
    await settle();
    expect(loads).toBe(1);
    expect(Plot.made[0].data[0]).toEqual([100, 101, 102, 103, 104]);
    expect(Plot.made[0].data[1]).toEqual([300, 310, null, 320, 300]);
    expect(Plot.made[0].options.series.slice(1).map((each: any) => each.spanGaps)).toEqual([false, false]);
    chart.dispose();
    expect(Plot.made[0].destroyed).toBe(true);
  });

  it('has a scale of temperatures once there are any', async () => {
    const chart = make();
    chart.set([live(1, 300, { celsius: null }), live(2, 300, { celsius: null })], about);
    await settle();
    expect(Plot.made[0].options.axes[2].show).toBe(false);
    chart.set([live(1, 300, { celsius: null }), live(2, 300, { celsius: null }), live(3)], about);
    await settle();
    expect(Plot.made[0].destroyed).toBe(true);
    expect(Plot.made[1].options.axes[2].show).toBe(true);
    chart.dispose();
  });

  it('says units, the source and slowing at the cursor, and what is not known', async () => {
    const chart = make();
    chart.set(samples, about);
    await settle();
    press(chart, 'End');
    expect(readout(chart)).toMatch(/320 W \(sampled\) · 60 °C \(sampled\) · slowed$/);
    press(chart, 'ArrowLeft');
    expect(readout(chart)).toContain('not known');
    press(chart, 'ArrowLeft');
    expect(readout(chart)).toContain('310 W');
    expect(chart.words(0)).not.toContain('slowed');
    chart.dispose();
  });

  it('keeps a part of the time in view while more comes, until the whole is asked for', async () => {
    const chart = make();
    const many = Array.from({ length: 100 }, (_, i) => live(100 + i));
    chart.set(many, about);
    await settle();
    Plot.made[0].options.hooks.setSelect[0]({ select: { left: 120, width: 30 }, posToVal: (value: number) => value, setSelect: () => undefined });
    expect(Plot.made[0].scales.x).toEqual({ min: 120, max: 150 });
    chart.set([...many, live(200)], about);
    await settle();
    expect(Plot.made[0].scales.x).toEqual({ min: 120, max: 150 });
    press(chart, '-');
    expect(Plot.made[0].scales.x.min).toBeLessThan(120);
    press(chart, '0');
    expect(Plot.made[0].scales.x).toEqual({ min: 100, max: 200 });
    chart.dispose();
  });

  it('has words and a table for those who do not see it, also where it cannot be drawn', async () => {
    const chart = make(async () => Promise.reject(new Error('no chunk')));
    chart.set(samples, about);
    await settle();
    const plot = chart.node.querySelector('.jp-Sovlab-chart-plot')!;
    expect(plot.getAttribute('aria-label')).toContain('power 300 W to 320 W; temperature 60 °C to 60 °C; slowed 1 time');
    expect(chart.node.textContent).toContain('The curves cannot be drawn: no chunk');
    expect(chart.node.querySelectorAll('tbody tr')).toHaveLength(4);
    expect(chart.node.querySelector('tbody')!.textContent).toContain('—');
    chart.dispose();
  });
});
