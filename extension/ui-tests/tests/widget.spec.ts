// The card where no extension of JupyterLab shows it: the module by itself, marimo, a kernel's widget.
import { type Page, test } from '@playwright/test';
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { freePort, Lab, PYTHON, ROOT } from './lab';
import { expect, kernelIdle, openNotebook, picture, violations } from './page';

const FRONT = path.join(ROOT, 'sovlab', 'jupyter', 'front');

/** A page with nothing in it but the module, its style and a model whose other end is the test. */
async function bare(page: Page, shadow: boolean): Promise<void> {
  const asked: string[] = [];
  await page.route('**/*', route => {
    const { pathname } = new URL(route.request().url());
    asked.push(pathname);
    if (pathname === '/widget.js') {
      return route.fulfill({ contentType: 'text/javascript', body: fs.readFileSync(path.join(FRONT, 'widget.js')) });
    }
    return pathname === '/' ? route.fulfill({ contentType: 'text/html', body: '<!doctype html><title>bare</title><main></main>' }) : route.abort();
  });
  await page.goto('http://widget.test/');
  await page.evaluate(
    async ({ css, shadow }) => {
      const listeners: Record<string, ((...values: any[]) => void)[]> = {};
      const now = Date.now() / 1000;
      const w = window as any;
      w.state = {
        card: {
          version: 1, id: 'digits-1a2b', name: 'digits', target: 'local', kind: 'cell', origin: 'In[1]', state: 'running',
          reason: '', message: '', backend: 'cpu', backend_why: 'it is free', nodes: 1, procs: 1, gpus: 0, submitted: now - 10,
          started: now - 9, ended: null, ahead: null, error: null, returned: [], unreturned: [], exit_code: null, signal: '',
          max_rss: null, cpu_seconds: null, python: '3.11', host: 'here', energy: null, headline: 'running 9 s', updated: now,
          progress: { step: 31, total: 50, fraction: 0.62, metrics: { loss: 0.084 }, time: now, seconds_left: 80 },
          log: { lines: [{ rank: null, text: 'epoch 31' }], total: 31 }, outputs: 0, notes: []
        },
        html: '',
        readings: {}
      };
      w.sent = [];
      w.model = {
        get: (name: string) => w.state[name],
        on: (name: string, then: any) => (listeners[name] ??= []).push(then),
        off: () => undefined,
        send: (content: any) => w.sent.push(content)
      };
      w.emit = (name: string, ...values: any[]) => (listeners[name] ?? []).forEach(then => then(...values));
      const host = document.querySelector('main')!;
      const root = shadow ? host.attachShadow({ mode: 'open' }) : host;
      const style = document.createElement('style');
      style.textContent = css;
      const el = document.createElement('div');
      root.append(style, el);
      const made = await import('/widget.js' as string);
      made.default.render({ model: w.model, el });
    },
    { css: fs.readFileSync(path.join(FRONT, 'widget.css'), 'utf8'), shadow }
  );
  expect(asked.filter(each => each !== '/favicon.ico')).toEqual(['/', '/widget.js']);
}

for (const [colorScheme, shadow] of [['light', false], ['dark', false], ['dark', true]] as const) {
  test(`the module alone shows the card: ${colorScheme}${shadow ? ', in a shadow root' : ''}`, async ({ browser }) => {
    const context = await browser.newContext({ colorScheme });
    const page = await context.newPage();
    await bare(page, shadow);
    const card = page.locator('.jp-Sovlab-card');
    await expect(card).toContainText('step 31 of 50 · loss 0.084');
    await expect(card).toContainText('epoch 31');
    await picture(page, `widget-${colorScheme}${shadow ? '-shadow' : ''}`);
    if (!shadow) {
      expect(await violations(page)).toEqual([]);
    }
    // The menu has the card's colours, also where a shadow root keeps the page's style out, and can be clicked.
    await page.getByRole('button', { name: 'More' }).click();
    const menu = page.getByRole('menu');
    const colour = (name: string) => menu.evaluate((node, name) => getComputedStyle(node).getPropertyValue(name), name);
    expect(await colour('position')).toBe('fixed');
    expect(await colour('background-color')).toBe(colorScheme === 'dark' ? 'rgb(24, 24, 24)' : 'rgb(255, 255, 255)');
    await page.keyboard.press('ArrowDown');
    await expect(page.getByRole('menuitem', { name: 'Copy YAML' })).toBeFocused();
    await page.getByRole('menuitem', { name: 'Copy YAML' }).click();
    await expect.poll(() => page.evaluate(() => (window as any).sent.map((each: any) => each.what))).toEqual(['manifests']);
    await page.getByRole('button', { name: 'Cancel', exact: true }).click();
    await page.getByRole('button', { name: 'Cancel job' }).click();
    await page.evaluate(() => {
      const w = window as any;
      w.emit('msg:custom', { type: 'answer', id: w.sent[1].id, answer: {} }, []);
      w.state.card = { ...w.state.card, state: 'cancelled', reason: 'cancelled', ended: Date.now() / 1000 };
      w.emit('change:card');
    });
    await expect(card).toContainText('cancelled after');
    await context.close();
  });
}

test('marimo shows a job as the widget: it goes on, and is cancelled from the page', async ({ page }) => {
  const lab = new Lab();
  const file = path.join(lab.work, 'job.py');
  fs.writeFileSync(
    file,
    [
      'import marimo',
      'app = marimo.App()',
      '@app.cell',
      'def _():',
      '    import sovlab',
      '    def work():',
      '        import time',
      '        for step in range(6000):',
      '            print("step", step)',
      '            sovlab.progress(step + 1, 6000)',
      '            time.sleep(0.1)',
      '    job = sovlab.submit(work, backend="cpu", name="in-marimo")',
      '    job',
      '    return',
      'if __name__ == "__main__":',
      '    app.run()'
    ].join('\n')
  );
  const port = await freePort();
  const args = ['-m', 'marimo', '--yes', 'run', file, '--headless', '--no-token', '--port', String(port)];
  const log = fs.openSync(path.join(lab.folder, 'marimo.log'), 'a');
  const server: ChildProcess = spawn(PYTHON, args, { cwd: lab.work, env: lab.environment, stdio: ['ignore', log, log] });
  try {
    const url = `http://127.0.0.1:${port}`;
    await expect.poll(() => fetch(`${url}/health`).then(answer => answer.ok, () => false)).toBe(true);
    await page.goto(url);
    const card = page.locator('.jp-Sovlab-card');
    await expect(card).toContainText('running', { timeout: 90_000 });
    await expect(card).toContainText(/step [1-9]\d* of 6000/);
    await picture(page, 'marimo');
    await card.getByRole('button', { name: 'Cancel', exact: true }).click();
    await card.getByRole('button', { name: 'Cancel job' }).click();
    await expect(card).toContainText('cancelled after');
    await picture(page, 'marimo-ended');
  } finally {
    server.kill('SIGTERM');
    await lab.remove();
  }
});

test('a kernel of IPython: job.widget() is live in JupyterLab, too', async ({ page }) => {
  const lab = new Lab();
  await lab.start();
  try {
    const source = `import sovlab\ndef work():\n    ${lab.gated('widget').split('\n').join('\n    ')}\njob = sovlab.submit(work, backend="cpu", name="widget")\njob.widget()`;
    lab.write('widget.ipynb', [source]);
    await openNotebook(page, lab, 'widget.ipynb');
    await page.locator('.jp-Notebook .jp-CodeCell .jp-InputArea-editor').first().click();
    await page.keyboard.press('Shift+Enter');
    const card = page.locator('.jp-Sovlab-widget .jp-Sovlab-card');
    await expect(card).toContainText('begun');
    await kernelIdle(page);
    await picture(page, 'widget-in-lab');
    lab.open('widget');
    await expect(card).toContainText('succeeded in');
    await card.getByRole('button', { name: 'Rerun' }).click();
    await expect(card).toContainText('Runs again as');
  } finally {
    await lab.remove();
  }
});

test('Notebook 7 shows the card as JupyterLab does', async ({ page }) => {
  const there = (() => {
    try {
      return !!execFileSync(PYTHON, ['-c', 'import notebook'], { stdio: 'pipe' });
    } catch {
      return false;
    }
  })();
  test.skip(!there, 'Notebook is not installed here.');
  const lab = new Lab({ app: 'notebook' });
  await lab.start();
  try {
    lab.write('seven.ipynb', ['%load_ext sovlab', `%%sovsubmit\n${lab.gated('seven')}`]);
    await page.goto(`${lab.url}/notebooks/seven.ipynb`, { waitUntil: 'domcontentloaded' });
    await expect(page.locator('.jp-Notebook .jp-CodeCell').first()).toBeVisible();
    // What is run before there is a kernel is lost there, or it asks for one.
    await kernelIdle(page);
    await page.locator('.jp-Notebook .jp-CodeCell .jp-InputArea-editor').first().click();
    await page.keyboard.press('Shift+Enter');
    await expect(page.locator('.jp-Notebook .jp-CodeCell .jp-InputPrompt').first()).toHaveText(/\d/);
    await page.locator('.jp-Notebook .jp-CodeCell .jp-InputArea-editor').nth(1).click();
    await page.keyboard.press('Shift+Enter');
    const card = page.locator('.jp-Sovlab-card');
    await expect(card).toContainText('begun');
    await picture(page, 'notebook-7');
    lab.open('seven');
    await expect(card).toContainText('succeeded in');
  } finally {
    await lab.remove();
  }
});
