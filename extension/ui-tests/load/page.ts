/** What is measured of a page: by its own clock, and by what the browser says of it. */
import type { CDPSession, Page } from '@playwright/test';

export interface Weight {
  /** Bytes of JavaScript objects after a collection. */
  heap: number;
  /** Nodes of the document. */
  nodes: number;
}

/** Keep each task of the main thread that takes more than 50 ms: below that the browser tells of none. */
export async function watchTasks(page: Page): Promise<void> {
  await page.addInitScript(() => {
    const tasks: { start: number; took: number }[] = ((window as any).__tasks = []);
    new PerformanceObserver(list => {
      list.getEntries().forEach(each => tasks.push({ start: each.startTime, took: each.duration }));
    }).observe({ type: 'longtask', buffered: true });
  });
}

export interface Longest {
  /** By the clock, in milliseconds; 0 if no task took more than 50. */
  lasted: number;
  /** On the processor, in milliseconds: on a machine that others keep busy a task lasts longer than it works. */
  worked: number;
}

/** Do something, and say how long the longest task of the page's main thread took meanwhile. */
export async function longest(page: Page, act: () => Promise<unknown>): Promise<Longest> {
  const browser = page.context().browser()!;
  await browser.startTracing(page, { categories: ['disabled-by-default-devtools.timeline', 'toplevel'] });
  const begun = await page.evaluate(() => performance.now());
  await act();
  const ended = await page.evaluate(() => performance.now());
  // Entries come late.
  await page.waitForTimeout(500);
  const lasted = await page.evaluate(
    ([begun, ended]) => {
      const tasks = (window as any).__tasks.filter((each: any) => each.start >= begun && each.start <= ended);
      return Math.max(0, ...tasks.map((each: any) => each.took));
    },
    [begun, ended]
  );
  return { lasted, worked: longestOnCpu(await browser.stopTracing()) };
}

interface TraceEvent {
  name: string;
  pid: number;
  tid: number;
  /** Microseconds on the processor. */
  tdur?: number;
  args?: { name?: string };
}

function longestOnCpu(trace: Buffer): number {
  const { traceEvents } = JSON.parse(trace.toString()) as { traceEvents: TraceEvent[] };
  const mains = new Set(
    traceEvents
      .filter(each => each.name === 'thread_name' && each.args?.name === 'CrRendererMain')
      .map(each => `${each.pid} ${each.tid}`)
  );
  return traceEvents
    .filter(each => /RunTask$/.test(each.name) && mains.has(`${each.pid} ${each.tid}`))
    .reduce((most, each) => Math.max(most, (each.tdur ?? 0) / 1000), 0);
}

export async function weigh(page: Page, session: CDPSession): Promise<Weight> {
  await session.send('HeapProfiler.enable');
  await session.send('HeapProfiler.collectGarbage');
  await session.send('HeapProfiler.collectGarbage');
  const { usedSize } = await session.send('Runtime.getHeapUsage');
  return { heap: usedSize, nodes: await page.evaluate(() => document.getElementsByTagName('*').length) };
}

/**
 * From here on, keep how old the last line of a card's log is when it is painted: milliseconds between the time that
 * is in the line and the frame after it came into the document.
 */
export async function watchAges(page: Page, index: number): Promise<void> {
  await page.evaluate(index => {
    const ages: number[] = ((window as any).__ages = []);
    let last = '';
    const log = document.querySelectorAll('.jp-Sovlab-card')[index].querySelector('.jp-Sovlab-log-view')!;
    new MutationObserver(() => {
      const lines = log.querySelectorAll('.jp-Sovlab-log-line');
      const text = lines[lines.length - 1]?.textContent ?? '';
      const printed = /^at (\d+\.\d+)/.exec(text);
      if (text !== last && printed) {
        last = text;
        // What is put in during a frame is on the screen when the next one begins.
        requestAnimationFrame(() => ages.push(Date.now() - Number(printed[1]) * 1000));
      }
    }).observe(log, { childList: true, subtree: true });
  }, index);
}

/** All that was kept, and none any more. */
export async function ages(page: Page): Promise<number[]> {
  return page.evaluate(() => (window as any).__ages.splice(0));
}

export function percentile(values: number[], share: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.min(Math.floor(sorted.length * share), sorted.length - 1)] ?? NaN;
}
