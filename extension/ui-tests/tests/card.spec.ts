import { card, CARD, cell, expect, openNotebook, picture, save, submitFromCell, test } from './page';

test('a cell is submitted from its toolbar: the card runs and ends, the result is right, the source is as it was', async ({ page, lab }) => {
  const source = `%%sovsubmit --out answer\n${lab.gated('first', 'answer = 6 * seven')}`;
  lab.write('first.ipynb', ['seven = 7', source, 'print("it is", answer)']);
  await openNotebook(page, lab, 'first.ipynb');
  await cell(page, 0).locator('.jp-InputArea-editor').click();
  await page.keyboard.press('Control+Enter');
  await expect(cell(page, 0).locator('.jp-InputPrompt')).toHaveText('[1]:');
  await submitFromCell(page, 1);
  await expect(card(page)).toContainText('running');
  await expect(card(page)).toContainText('begun');
  await expect(card(page).getByRole('button', { name: 'Cancel' })).toBeEnabled();
  await picture(page, 'card-running');
  lab.open('first');
  await expect(card(page)).toContainText('succeeded in');
  await expect(card(page)).toContainText('answer');
  await picture(page, 'card-ended');
  await cell(page, 2).locator('.jp-InputArea-editor').click();
  await page.keyboard.press('Control+Enter');
  await expect(cell(page, 2).locator('.jp-OutputArea')).toContainText('it is 42');
  await save(page);
  const saved = lab.read('first.ipynb').cells[1];
  expect([saved.source].flat().join('')).toBe(source);
  expect(Object.keys(saved.outputs[0].data ?? {}).sort()).toEqual([CARD, 'text/html', 'text/plain']);
});

test('the kernel is killed and the page reloaded while the job runs: the card is live and right', async ({ page, lab }) => {
  lab.write('kernel.ipynb', ['import os; os.getpid()', lab.gated('kernel')]);
  await openNotebook(page, lab, 'kernel.ipynb');
  await cell(page, 0).locator('.jp-InputArea-editor').click();
  await page.keyboard.press('Control+Enter');
  const result = cell(page, 0).locator('.jp-OutputArea-output');
  await expect(result).toHaveText(/^\d+$/);
  const pid = Number(await result.innerText());
  await submitFromCell(page, 1);
  await expect(card(page)).toContainText('begun');
  await save(page);
  process.kill(pid, 'SIGKILL');
  const dialog = page.locator('.jp-Dialog');
  await expect(dialog).toContainText(/restart/i);
  await expect(card(page)).toContainText('running');
  await expect(card(page).getByRole('button', { name: 'Cancel' })).toBeEnabled();
  await dialog.locator('.jp-mod-accept').click();
  await openNotebook(page, lab, 'kernel.ipynb');
  await expect(card(page).getByRole('button', { name: 'Cancel' })).toBeEnabled();
  await expect(card(page)).toContainText('running');
  lab.open('kernel');
  await expect(card(page)).toContainText('succeeded in');
  await expect(card(page)).toContainText('ended');
});

test('two tabs on a notebook: the card is right in both, and what is cancelled in one is in the other', async ({ page, lab }) => {
  lab.write('tabs.ipynb', [lab.gated('tabs')]);
  await openNotebook(page, lab, 'tabs.ipynb');
  await submitFromCell(page, 0);
  await expect(card(page)).toContainText('begun');
  await save(page);
  const other = await page.context().newPage();
  await openNotebook(other, lab, 'tabs.ipynb');
  await expect(card(other)).toContainText('running');
  await card(other).getByRole('button', { name: 'Cancel' }).click();
  await card(other).getByRole('button', { name: 'Cancel job' }).click();
  await expect(card(other)).toContainText('cancelled after');
  await page.bringToFront();
  await expect(card(page)).toContainText('cancelled after');
  await other.close();
});

test('a cell that is submitted before its kernel is there waits for it', async ({ page, lab }) => {
  lab.write('early.ipynb', ['early = 1']);
  await openNotebook(page, lab, 'early.ipynb', false);
  await submitFromCell(page, 0);
  await expect(card(page)).toContainText('succeeded in');
  await expect(cell(page, 0).locator('.jp-OutputArea')).toContainText('early');
});

test('a notebook without a kernel: the server submits, and the card is saved in the notebook', async ({ page, lab }) => {
  lab.write('bare.ipynb', ['print("by the server")']);
  await openNotebook(page, lab, 'bare.ipynb');
  await page.evaluate(() => (window as any).jupyterapp.shell.currentWidget.sessionContext.shutdown());
  await submitFromCell(page, 0);
  await expect(card(page)).toContainText('by the server');
  await expect(card(page)).toContainText('succeeded in');
  await save(page);
  expect(Object.keys(lab.read('bare.ipynb').cells[0].outputs[0].data ?? {})).toContain(CARD);
});
