// `make load`: figures of the workbench under load. It asserts nothing of them; what is too much is said in the table.
import { type Page, test } from '@playwright/test';
import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { Lab, PYTHON, ROOT } from '../tests/lab';
import { card, cell, expect, kernelIdle, openPanel, picture, submitFromCell } from '../tests/page';
import { ages, longest, type Longest, percentile, watchAges, watchTasks, weigh } from './page';

const JOBS = Number(process.env.SOVLAB_LOAD_JOBS || 10_000);
const CARDS = Number(process.env.SOVLAB_LOAD_CARDS || 100);
const SECONDS = Number(process.env.SOVLAB_LOAD_SECONDS || 60);
const RATE = 10_000;

const CALM = `import time
for number in range(300):
    print(f"at {time.time():.4f} {number}", flush=True)
    time.sleep(0.07)`;
const FLOOD = `import sys, time
start = time.perf_counter()
for number in range(${RATE * SECONDS}):
    while (left := start + number / ${RATE} - time.perf_counter()) > 0:
        time.sleep(left)
    sys.stdout.write(f"at {time.time():.4f} {number} {'x' * 60}\\n")`;

const rows: { what: string; value: string; hold: string; kept: boolean | null }[] = [];

function tell(what: string, value: number, unit: string, most: number | null = null): void {
  const said = (x: number) => `${Number(x.toPrecision(3)).toLocaleString('en-US')} ${unit}`.trim();
  rows.push({ what, value: said(value), hold: most === null ? '' : `≤ ${said(most)}`, kept: most === null ? null : value <= most });
}

function tellLongest(what: string, task: Longest, without?: Longest): void {
  const beside = without ? `; without the extension ${Math.round(without.worked)} ms` : '';
  tell(`${what}: the longest task works (and lasts ${Math.round(task.lasted)} ms${beside})`, task.worked, 'ms', 100);
}

async function submitted(lab: Lab, source: string, name: string): Promise<string> {
  const body = JSON.stringify({ source, options: { name } });
  const answer = await fetch(`${lab.url}/sovlab/api/jobs`, { method: 'POST', body, headers: { 'Content-Type': 'application/json' } });
  expect(answer.status).toBe(201);
  return ((await answer.json()) as any).job.id;
}

async function asked(lab: Lab, route: string): Promise<any> {
  return (await fetch(`${lab.url}/sovlab/api/${route}`)).json();
}

async function opened(page: Page, lab: Lab): Promise<void> {
  await page.goto(`${lab.url}/lab/tree/load.ipynb?reset`, { waitUntil: 'domcontentloaded' });
  await expect(page.locator('.jp-Notebook .jp-CodeCell').first()).toBeVisible();
  await kernelIdle(page);
}

/** From top to end, as a reader scrolls, so that each card is once in the page. */
async function scrolled(page: Page): Promise<void> {
  await page.evaluate(async () => {
    const { content } = (window as any).jupyterapp.shell.currentWidget;
    for (let i = 0; i < content.widgets.length; i++) {
      await content.scrollToItem(i);
      await new Promise(done => requestAnimationFrame(done));
    }
    await content.scrollToItem(0);
  });
}

test('figures', async ({ browser }) => {
  const begun = os.loadavg();
  const lab = new Lab();
  await lab.start();
  const state = path.join(lab.folder, 'state');
  const model = await submitted(lab, 'print("one of many")', 'many');
  await expect.poll(async () => (await asked(lab, `jobs/${model}`)).state).toBe('succeeded');
  await lab.stop();
  execFileSync(PYTHON, [path.join(__dirname, 'many.py'), state, String(JOBS)], {
    cwd: ROOT,
    env: { ...process.env, PYTHONPATH: ROOT }
  });
  await lab.start();
  let bare: Lab | null = null;
  try {
    const ids = fs.readdirSync(path.join(state, 'jobs')).filter(name => !name.startsWith('.')).slice(-CARDS);
    const outputs: Record<number, unknown[]> = {};
    for (const [i, id] of ids.entries()) {
      const { data } = await asked(lab, `jobs/${id}/card`);
      outputs[i + 2] = [{ output_type: 'display_data', data, metadata: {} }];
    }
    lab.write('load.ipynb', [CALM, FLOOD, ...ids.map(() => 'print("one of many")')], outputs);

    // The same page without the extension.
    bare = new Lab({ disabled: ['sovlab'], work: lab.work });
    await bare.start();
    const without = await browser.newPage();
    await watchTasks(without);
    await opened(without, bare);
    const scrollBare = await longest(without, () => scrolled(without));
    const before = await weigh(without, await without.context().newCDPSession(without));
    const residentBare = bare.resident();
    await without.close();
    await bare.remove();
    bare = null;

    const page = await browser.newPage();
    await watchTasks(page);
    await opened(page, lab);
    await page.evaluate(() => void (window as any).jupyterapp.commands.execute('notebook:trust'));
    await page.locator('.jp-Dialog .jp-mod-accept').click();
    const built = path.join(ROOT, 'sovlab', 'labextension', 'static');
    const scripts = fs.readdirSync(built).filter(name => name.endsWith('.js'));
    const size = scripts.reduce((sum, name) => sum + fs.statSync(path.join(built, name)).size, 0);
    tell('JavaScript of the extension, all of it', size / 1e6, 'MB', 2);
    const scroll = await longest(page, () => scrolled(page));
    tellLongest(`scrolling through ${CARDS} cards`, scroll, scrollBare);

    // The panel.
    const region = page.getByRole('region', { name: 'sovlab jobs and backends' });
    let shown = 0;
    const opening = await longest(page, async () => {
      shown = await page.evaluate(async () => {
        const begun = performance.now();
        await (window as any).jupyterapp.commands.execute('sovlab:open-panel');
        while (!document.querySelector('#sovlab-panel .jp-Sovlab-row .jp-Sovlab-rowname')) {
          await new Promise(done => requestAnimationFrame(done));
        }
        return performance.now() - begun;
      });
    });
    tell(`opening the panel on ${JOBS.toLocaleString('en-US')} jobs, until rows are there`, shown, 'ms', 1000);
    tellLongest('opening it', opening);
    await openPanel(page);
    await expect(region).toContainText(`${JOBS.toLocaleString('en-US')} in all`);
    const grid = region.getByRole('grid', { name: 'Jobs' });
    const sorting = await longest(page, async () => {
      await region.getByLabel('In which order').selectOption('name asc');
      await grid.evaluate(async node => {
        for (let i = 0; i <= 100; i++) {
          node.scrollTop = (node.scrollHeight * i) / 100;
          await new Promise(done => requestAnimationFrame(done));
        }
      });
      await expect(grid.getByRole('row').last()).toContainText('many');
    });
    tellLongest('sorting that list and scrolling through it', sorting);
    tell('rows of it in the page', await grid.getByRole('row').count(), '');

    // A log at rest, then one of many lines.
    await page.evaluate(() => (window as any).jupyterapp.shell.currentWidget.content.scrollToItem(0));
    await submitFromCell(page, 0);
    await expect(cell(page, 0).locator('.jp-Sovlab-card')).toContainText('at ');
    await watchAges(page, 0);
    await expect(card(page)).toContainText('succeeded in');
    const calm = await ages(page);
    tell(`a line printed → on the screen, 95th percentile of ${calm.length}`, percentile(calm, 0.95), 'ms', 100);
    tell('the median of that', percentile(calm, 0.5), 'ms');
    const session = await page.context().newCDPSession(page);
    await submitFromCell(page, 1);
    const flooded = cell(page, 1).locator('.jp-Sovlab-card');
    await expect(flooded).toContainText('at ');
    await watchAges(page, 1);
    let [nodes, resident] = [0, 0];
    if (process.env.SOVLAB_LOAD_PROFILE) {
      await session.send('Profiler.enable');
      await session.send('Profiler.start');
    }
    const flood = await longest(page, async () => {
      while (!((await flooded.textContent({ timeout: 60_000 })) ?? '').includes('succeeded in')) {
        nodes = Math.max(nodes, await page.evaluate(() => document.getElementsByTagName('*').length));
        resident = Math.max(resident, lab.resident());
        await page.waitForTimeout(500);
      }
    });
    if (process.env.SOVLAB_LOAD_PROFILE) {
      const { profile } = await session.send('Profiler.stop');
      fs.writeFileSync(path.join(__dirname, '..', 'artefacts', 'load.cpuprofile'), JSON.stringify(profile));
    }
    const busy = await ages(page);
    const during = `${RATE.toLocaleString('en-US')} lines a second for ${SECONDS} s`;
    tellLongest(during, flood);
    tell('a line printed → on the screen meanwhile, 95th percentile', percentile(busy, 0.95), 'ms');
    await expect(flooded).toContainText(` ${RATE * SECONDS - 1} x`);
    const after = await weigh(page, session);
    tell(`nodes of the document, at most (without the extension ${before.nodes.toLocaleString('en-US')})`, nodes, '');
    tell('JavaScript heap after all of it, more than the same page without the extension', (after.heap - before.heap) / 1e6, 'MB', 60);
    tell(`memory of the server, at most (without the extension ${(residentBare / 1e6).toFixed(0)} MB)`, resident / 1e6, 'MB', 150);
    await picture(page, 'load');
    await page.close();
  } finally {
    const head = ['', '| Figure | measured | to hold |', '|---|---|---|'];
    const table = rows.map(row => `| ${row.what} | ${row.value} | ${row.hold}${row.kept === false ? ', missed' : ''} |`);
    const loads = [begun, os.loadavg()].map(each => each[0].toFixed(1)).join(' and ');
    const where = `${new Date().toISOString().slice(0, 10)}, ${os.cpus().length} cores, load at the begin and end ${loads}`;
    console.log([...head, ...table, '', where].join('\n'));
    await bare?.remove();
    await lab.remove();
  }
});
