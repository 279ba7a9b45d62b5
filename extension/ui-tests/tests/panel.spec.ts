import { card, expect, openNotebook, openPanel, picture, submitFromCell, test } from './page';

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
  await panel.getByRole('searchbox').fill('');
  await panel.getByLabel('Which jobs').selectOption('all');
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
