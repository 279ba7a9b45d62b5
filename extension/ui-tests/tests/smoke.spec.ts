// What must go in every front end that is supported, with Playwright's own page: Galata's knows one version of
// JupyterLab. `make browser-matrix` runs it in the others.
import { type Page, test } from '@playwright/test';
import { APP, Lab } from './lab';
import { card, CARD, cell, expect, kernelIdle, openNotebook, openPanel, picture, submitFromCell } from './page';

const NAME = process.env.SOVLAB_UI_NAME || APP;

async function cancel(page: Page, index: number): Promise<void> {
  await card(page, index).getByRole('button', { name: 'Cancel' }).click();
  await card(page, index).getByRole('button', { name: 'Cancel job' }).click();
  await expect(card(page, index)).toContainText('cancelled after');
}

let lab: Lab;

test.beforeEach(async () => {
  lab = new Lab();
  await lab.start();
});

test.afterEach(async () => lab.remove());

test('from a cell to its card, the panel, the status bar and the job by itself', async ({ page }) => {
  const wrong: string[] = [];
  // Notebook 7 throws some by itself; what is ours comes from our files.
  page.on('pageerror', error => error.stack?.includes('labextensions/sovlab') && wrong.push(error.stack));
  const magic = `%%sovsubmit --name by-magic --out answer\n${lab.gated('magic', 'answer = 6 * seven')}`;
  lab.write('smoke.ipynb', ['seven = 7\n%load_ext sovlab', magic, lab.gated('button'), 'print("it is", answer)']);
  await openNotebook(page, lab, 'smoke.ipynb');
  for (const index of [0, 1]) {
    await cell(page, index).locator('.jp-InputArea-editor').click();
    await page.keyboard.press('Control+Enter');
  }
  await expect(card(page)).toContainText('begun');
  await expect(card(page).getByRole('button', { name: 'Cancel' })).toBeEnabled();
  // The kernel is free while the job runs.
  await kernelIdle(page);
  await submitFromCell(page, 2);
  await expect(card(page, 1)).toContainText('begun');
  await picture(page, `${NAME}-cards`);
  const panel = await openPanel(page);
  const grid = panel.getByRole('grid', { name: 'Jobs' });
  await expect(grid.getByRole('row')).toHaveCount(2);
  await expect(grid.getByRole('row').filter({ hasText: 'by-magic' })).toContainText('running');
  await expect(panel.getByRole('region', { name: 'Backends' })).toContainText('cpu');
  if (APP === 'lab') {
    await expect(page.locator('.jp-Sovlab-status')).toContainText('2 running');
  }
  await picture(page, `${NAME}-panel`);
  await cancel(page, 1);
  await grid.getByRole('row').filter({ hasText: 'by-magic' }).click();
  const detail = page.locator('.jp-Sovlab-detail');
  await expect(detail).toContainText('begun');
  await picture(page, `${NAME}-detail`);
  lab.open('magic');
  await expect(detail).toContainText('succeeded in');
  await openNotebook(page, lab, 'smoke.ipynb');
  await expect(page.locator('.jp-Sovlab-picker')).toContainText('local');
  expect(wrong).toEqual([]);
});

test('what a job hands back is in the notebook, and its card is saved there', async ({ page }) => {
  lab.write('back.ipynb', ['%load_ext sovlab\nseven = 7', '%%sovsubmit --out answer\nanswer = 6 * seven', 'print("it is", answer)']);
  await openNotebook(page, lab, 'back.ipynb');
  for (const index of [0, 1]) {
    await cell(page, index).locator('.jp-InputArea-editor').click();
    await page.keyboard.press('Control+Enter');
  }
  await expect(card(page)).toContainText('succeeded in');
  await cell(page, 2).locator('.jp-InputArea-editor').click();
  await page.keyboard.press('Control+Enter');
  await expect(cell(page, 2).locator('.jp-OutputArea')).toContainText('it is 42');
  await page.keyboard.press('Escape');
  await page.keyboard.press('Control+s');
  await expect.poll(() => Object.keys(lab.read('back.ipynb').cells[1].outputs[0]?.data ?? {})).toContain(CARD);
  expect(lab.read('back.ipynb').cells[1].outputs.length).toBe(1);
});
