// Playwright's own page, for targets here go away. What the panel and a notebook say when there is nothing, when
// nobody answers, and when what was asked for cannot be.
import { test } from '@playwright/test';
import fs from 'node:fs';
import path from 'node:path';
import { Cluster } from './cluster';
import { Lab } from './lab';
import { card, cell, expect, openNotebook, openPanel, picture, submitFromCell } from './page';

test('an empty panel says what to do first', async ({ page }) => {
  const lab = new Lab();
  await lab.start();
  try {
    lab.write('empty.ipynb', ['1']);
    await openNotebook(page, lab, 'empty.ipynb', false);
    const panel = await openPanel(page);
    await expect(panel).toContainText('No jobs yet');
    await expect(panel).toContainText('%%sovsubmit');
    await expect(panel.getByRole('region', { name: 'Backends' })).toContainText('cores free');
    await picture(page, 'panel-empty');
    // What is looked for stays while there is nothing of it.
    await panel.getByRole('searchbox').fill('no such job');
    await expect(panel).toContainText('No such job');
    await expect(panel.getByRole('searchbox')).toHaveValue('no such job');
  } finally {
    await lab.remove();
  }
});

test('a target that does not answer any more: its last rows, how old they are, and what to do', async ({ page }) => {
  const cluster = new Cluster();
  await cluster.start();
  const lab = new Lab({ config: cluster.target('lab') });
  await lab.start();
  try {
    lab.write('down.ipynb', ['%load_ext sovlab', '%%sovsubmit --target lab --name known\nprint("from a pod")']);
    await openNotebook(page, lab, 'down.ipynb');
    const panel = await openPanel(page);
    await panel.getByLabel('Target').selectOption('lab');
    await submitFromCell(page, 1);
    const row = panel.getByRole('grid', { name: 'Jobs' }).getByRole('row').filter({ hasText: 'known' });
    await expect(row).toContainText('succeeded');
    await expect(panel.getByRole('region', { name: 'Backends' })).toContainText('cpu');
    cluster.away(true);
    const banner = panel.getByRole('status').filter({ hasText: 'lab does not answer' });
    await expect(banner).toContainText(/Shown is what was known at \d\d:\d\d, \d.* ago/);
    await expect(panel.getByRole('region', { name: 'Backends' })).toContainText(/Counted \d.* ago/);
    await expect(banner).toContainText('Check the network or VPN');
    await expect(banner).toContainText('running jobs go on without us');
    await expect(row).toContainText('succeeded');
    await picture(page, 'panel-down');
    cluster.away(false);
    await expect(banner).toBeHidden();
    await expect(row).toContainText('succeeded');
  } finally {
    await lab.remove();
    await cluster.remove();
  }
});

test('a target that never answered: it is said which and why; this machine goes on', async ({ page }) => {
  const cluster = new Cluster();
  await cluster.start();
  const lab = new Lab({ config: cluster.target('lab') });
  cluster.away(true);
  await lab.start();
  try {
    lab.write('never.ipynb', ['%load_ext sovlab', 'print("here")']);
    await openNotebook(page, lab, 'never.ipynb');
    const panel = await openPanel(page);
    await panel.getByLabel('Target').selectOption('lab');
    const banner = panel.getByRole('status').filter({ hasText: 'lab does not answer' });
    await expect(banner).toContainText('Nothing of it is known yet');
    await expect(banner).toContainText('Check the network or VPN');
    await expect(panel.getByText('No jobs yet')).toBeHidden();
    await expect(panel.getByRole('region', { name: 'Backends' })).toContainText('lab cannot be asked');
    await picture(page, 'panel-never');
    await submitFromCell(page, 1);
    await expect(card(page)).toContainText('succeeded in');
    await panel.getByLabel('Target').selectOption('local');
    await expect(panel.getByRole('grid', { name: 'Jobs' })).toContainText('succeeded');
    await expect(panel.getByRole('status').filter({ hasText: 'does not answer' })).toHaveCount(0);
  } finally {
    await lab.remove();
    await cluster.remove();
  }
});

test('settings that cannot be read: which line, and what to do; then a look again finds them mended', async ({ page }) => {
  const lab = new Lab({ config: '[targets.lab]\nexecutor = "kubernetes"\n[targets.lab.kubernetes]\nimage = "x"\n' });
  await lab.start();
  try {
    lab.write('broken.ipynb', ['print("here")']);
    await page.goto(`${lab.url}/lab/tree/broken.ipynb?reset`, { waitUntil: 'domcontentloaded' });
    await expect(page.locator('.jp-Notebook .jp-CodeCell').first()).toBeVisible({ timeout: 120_000 });
    const panel = await openPanel(page);
    const banner = panel.getByRole('status').filter({ hasText: 'config.toml, line 1' });
    await expect(banner).toContainText("target 'lab' names no cluster");
    await expect(banner).toContainText('cannot be carried out as written');
    await picture(page, 'panel-broken-settings');
    fs.writeFileSync(path.join(lab.folder, 'config.toml'), '');
    await banner.getByRole('button', { name: 'Try now' }).click();
    await expect(panel).toContainText('No jobs yet');
    await expect(page.locator('.jp-Sovlab-picker')).toContainText('local · auto');
  } finally {
    await lab.remove();
  }
});

test('what cannot be submitted: why, beside the cell or as a notification, and the source is as it was', async ({ page }) => {
  const lab = new Lab();
  await lab.start();
  try {
    const sources = ['', '%%bash\nls', '%%sovsubmit --cpu many\n1', '%%sovsubmit --target nowhere\n1', 'def f(:\n  1'];
    lab.write('bad.ipynb', sources);
    await openNotebook(page, lab, 'bad.ipynb');
    const told = page.locator('.Toastify__toast, .jp-Notification-List');
    await submitFromCell(page, 0);
    await expect(told.filter({ hasText: 'The cell is empty.' }).first()).toBeVisible();
    await submitFromCell(page, 1);
    await expect(told.filter({ hasText: '%%bash cannot be submitted' }).first()).toBeVisible();
    await submitFromCell(page, 2);
    await expect(cell(page, 2).locator('.jp-OutputArea')).toContainText('--cpu');
    await submitFromCell(page, 3);
    await expect(cell(page, 3).locator('.jp-OutputArea')).toContainText('nowhere');
    await submitFromCell(page, 4);
    await expect(cell(page, 4).locator('.jp-OutputArea')).toContainText('SyntaxError');
    await picture(page, 'not-submitted');
    for (const [i, source] of sources.entries()) {
      const kept = await page.evaluate(
        index => (window as any).jupyterapp.shell.currentWidget.content.widgets[index].model.sharedModel.getSource(),
        i
      );
      expect(kept).toBe(source);
    }
  } finally {
    await lab.remove();
  }
});
