// Playwright's own page: what is looked at here are pages and servers that know nothing of sovlab, or little.
import { test } from '@playwright/test';
import { execFileSync } from 'node:child_process';
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import { Lab, PYTHON } from './lab';
import { card, CARD, cell, expect, openNotebook, picture, save, submitFromCell } from './page';

test('a saved notebook: without our server the card stands still; as HTML it is readable, and nothing is asked for', async ({ page, browser }) => {
  const lab = new Lab();
  await lab.start();
  try {
    lab.write('saved.ipynb', ['print("what it said")']);
    await openNotebook(page, lab, 'saved.ipynb');
    await submitFromCell(page, 0);
    await expect(card(page)).toContainText('succeeded in');
    await expect(cell(page, 0).locator('.jp-Sovlab-card')).toContainText('Memory');
    await save(page);
    await page.goto('about:blank');
    await lab.stop();
    const bare = new Lab({ args: ["--ServerApp.jpserver_extensions={'sovlab.jupyter.server': False, 'jupyterlab': True}"], work: lab.work });
    await bare.start();
    try {
      await page.goto(`${bare.url}/lab/tree/saved.ipynb?reset`, { waitUntil: 'domcontentloaded' });
      await expect(card(page)).toContainText('what it said');
      await expect(card(page)).toContainText('succeeded in');
      await expect(card(page).getByRole('button', { name: 'Rerun' })).toHaveCount(0);
      await picture(page, 'without-server');
      await page.goto('about:blank');
    } finally {
      await bare.remove();
    }
    for (const theme of ['light', 'dark']) {
      const file = `saved-${theme}.html`;
      const command = ['-m', 'nbconvert', '--to', 'html', '--theme', theme, '--output', file, 'saved.ipynb'];
      execFileSync(PYTHON, command, { cwd: lab.work, stdio: 'pipe' });
      const context = await browser.newContext({ colorScheme: theme as 'light' | 'dark' });
      const html = await context.newPage();
      // What nbconvert's own page loads (MathJax, require.js) is not ours.
      const without: string[] = [];
      await html.route(/^https?:/, route => route.abort());
      await html.goto(pathToFileURL(path.join(lab.work, file)).href, { waitUntil: 'domcontentloaded' });
      const output = html.locator('.jp-OutputArea-output').first();
      await expect(output).toContainText('what it said');
      await expect(output).toContainText('succeeded in');
      without.push(...(await output.locator('script, link, iframe, [src^="http"]').evaluateAll(nodes => nodes.map(node => node.outerHTML))));
      expect(without).toEqual([]);
      await picture(html, `html-${theme}`);
      await context.close();
    }
  } finally {
    await lab.remove();
  }
});

test('below /user/a@b/ a cell is submitted, and its card is live', async ({ page }) => {
  const lab = new Lab({ baseUrl: '/user/a@b/' });
  await lab.start();
  try {
    lab.write('hub.ipynb', [lab.gated('hub')]);
    await openNotebook(page, lab, 'hub.ipynb');
    await submitFromCell(page, 0);
    await expect(card(page)).toContainText('begun');
    await card(page).getByRole('button', { name: 'Cancel' }).click();
    await card(page).getByRole('button', { name: 'Cancel job' }).click();
    await expect(card(page)).toContainText('cancelled after');
  } finally {
    await lab.remove();
  }
});

test('hostile: a forged card acts on nothing and fetches nothing; what a log and a name say is text', async ({ page }) => {
  // JupyterLab's own table of contents loads the pictures that it finds in the HTML of outputs.
  const lab = new Lab({ disabled: ['@jupyterlab/toc-extension'] });
  await lab.start();
  try {
    const bomb = '<script>window.__owned = 1</script><img src=x onerror="window.__owned = 2">';
    lab.write('bomb.ipynb', [
      `print(${JSON.stringify(bomb)})\nprint("\\x1b[2J\\x1b[H\\x1b]0;owned\\x07 \\u202eevil\\u202c \\x1b[31mred\\x1b[0m after")`
    ]);
    await openNotebook(page, lab, 'bomb.ipynb');
    // The long line hides the cell's toolbar: the notebook's has the button, too.
    await page.locator('[data-jp-item-name="sovlab-submit"]').locator('button, jp-button').first().click();
    await expect(card(page)).toContainText('succeeded in');
    await expect(card(page)).toContainText('<script>window.__owned = 1</script>');
    await expect(card(page)).toContainText('after');
    await expect(card(page).locator('img, script')).toHaveCount(0);
    await picture(page, 'hostile-log');
    await save(page);
    // The card of a job of ours, in a notebook of somebody else: it is changed to run, and to bring a picture along.
    for (const state of ['running', 'succeeded']) {
      const data = structuredClone(lab.read('bomb.ipynb').cells[0].outputs[0].data!) as any;
      Object.assign(data[CARD], { state, ended: state === 'running' ? null : data[CARD].ended, name: bomb, outputs: 1 });
      data['text/html'] = `<div><div style="overflow-x:auto;padding-top:4px"><img src="${lab.url}/forged.png"></div></div>`;
      lab.write(`forged-${state}.ipynb`, ['1'], { 0: [{ output_type: 'display_data', data, metadata: {} }] });
      const asked: string[] = [];
      const said: string[] = [];
      page.on('request', request => asked.push(request.url()));
      page.on('websocket', socket => socket.on('framesent', frame => said.push(String(frame.payload))));
      await openNotebook(page, lab, `forged-${state}.ipynb`);
      await expect(card(page)).toContainText(state);
      await expect(card(page)).toContainText('<script>');
      await expect(card(page).getByRole('button')).toHaveCount(0);
      expect(await page.evaluate(() => (window as any).__owned)).toBeUndefined();
      expect(asked.filter(url => url.includes('forged.png') || url.includes('sovlab/api/jobs'))).toEqual([]);
      expect(said.filter(text => text.includes('"follow"'))).toEqual([]);
      await picture(page, `forged-${state}`);
    }
  } finally {
    await lab.remove();
  }
});
