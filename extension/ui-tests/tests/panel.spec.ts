import { card, cell, expect, openNotebook, openPanel, picture, submitFromCell, test } from './page';

test('the panel: empty, then jobs found, filtered, sorted, several cancelled; a job in the main area', async ({ page, lab }) => {
  const sources = ['one', 'two', 'three'].map(name => `%%sovsubmit --name panel-${name} --cpu 0.5\n${lab.gated(`panel-${name}`)}`);
  lab.write('panel.ipynb', sources);
  await openNotebook(page, lab, 'panel.ipynb');
  const panel = await openPanel(page);
  await expect(panel.getByRole('region', { name: 'Backends' })).toContainText('cpu');
  for (const i of [0, 1, 2]) {
    await submitFromCell(page, i);
    await expect(card(page, i)).toContainText('running');
  }
  const grid = panel.getByRole('grid', { name: 'Jobs' });
  const row = (name: string) => grid.getByRole('row').filter({ hasText: name });
  await expect(row('panel-three')).toContainText('running');
  await panel.getByRole('searchbox').fill('panel-');
  await expect(grid.getByRole('row')).toHaveCount(3);
  await panel.getByLabel('In which order').selectOption('name asc');
  await expect(grid.getByRole('row').nth(0)).toContainText('panel-one');
  await expect(grid.getByRole('row').nth(2)).toContainText('panel-two');
  await picture(page, 'panel');
  // Several at once.
  await row('panel-one').locator('.jp-Sovlab-check').click();
  await row('panel-two').locator('.jp-Sovlab-check').click();
  const chosen = panel.getByRole('toolbar', { name: 'The chosen jobs' });
  await expect(chosen).toContainText('2');
  await chosen.getByRole('button', { name: /Cancel/ }).click();
  await expect(panel).toContainText('Cancel 2 jobs? Press again.');
  await chosen.getByRole('button', { name: /Cancel/ }).click();
  await expect(panel).toContainText('2 jobs were asked to end.');
  await expect(row('panel-one')).toContainText('cancelled');
  await expect(row('panel-two')).toContainText('cancelled');
  await expect(row('panel-three')).toContainText('running');
  await panel.getByLabel('Which jobs').selectOption('active');
  await expect(grid.getByRole('row')).toHaveCount(1);
  await panel.getByRole('searchbox').fill('no such job');
  await expect(grid.getByRole('row')).toHaveCount(0);
  await panel.getByRole('searchbox').fill('panel-three');
  await panel.getByLabel('Which jobs').selectOption('all');
  await expect(grid.getByRole('row')).toHaveCount(1);
  // One of them, whole.
  await row('panel-three').click();
  const detail = page.locator('.jp-Sovlab-detail');
  await expect(detail).toContainText('begun');
  await picture(page, 'detail');
  lab.open('panel-three');
  await expect(detail).toContainText('succeeded in');
  await detail.getByRole('tab', { name: 'About' }).click();
  await expect(detail.getByRole('tabpanel', { name: 'About' })).toContainText('local');
});

test('the picker, the status bar, the palette, the shortcut, the context menu and notifications', async ({ page, lab }) => {
  lab.write('ways.ipynb', ['print("ways")', lab.gated('ways', '1 / 0')]);
  await openNotebook(page, lab, 'ways.ipynb');
  const picker = page.locator('.jp-Sovlab-picker button');
  await picker.click();
  const menu = page.getByRole('menu', { name: 'Where to submit to' });
  await expect(menu).toContainText('cores free');
  await picture(page, 'picker');
  await menu.getByRole('menuitem', { name: /^cpu/ }).click();
  await expect(picker).toContainText('local · cpu');
  await expect(page.locator('.jp-Sovlab-status')).toContainText('sovlab: local');
  // By the shortcut.
  await cell(page, 0).locator('.jp-InputArea-editor').click();
  await page.keyboard.press('Control+Shift+Enter');
  await expect(card(page)).toContainText('succeeded');
  // By the context menu.
  await cell(page, 1).locator('.jp-InputArea-editor').click({ button: 'right' });
  await page.locator('.lm-Menu-item[data-command="sovlab:submit-cell"]').click();
  await expect(card(page, 1)).toContainText('begun');
  await expect(page.locator('.jp-Sovlab-status')).toContainText('1 running');
  lab.open('ways');
  await expect(card(page, 1)).toContainText('ZeroDivisionError');
  // Galata has notifications wait in their centre.
  await page.evaluate(() => (window as any).jupyterapp.commands.execute('apputils:display-notifications'));
  await expect(page.locator('.jp-Notification-List')).toContainText('ZeroDivisionError');
  await page.keyboard.press('Escape');
  await picture(page, 'failed');
  // By the palette.
  await page.keyboard.press('Control+Shift+c');
  await page.locator('.lm-CommandPalette-input').fill('Jobs and Backends');
  await page.locator('.lm-CommandPalette-item').filter({ hasText: 'Jobs and Backends' }).first().click();
  await expect(page.getByRole('region', { name: 'sovlab jobs and backends' })).toBeVisible();
});
