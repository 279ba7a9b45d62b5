/** A whole notebook as a job, by the form of its parameters. */
import fs from 'node:fs';
import path from 'node:path';
import type { Locator, Page } from '@playwright/test';
import type { Lab } from './lab';
import { expect, openNotebook, openPanel, picture, test, violations } from './page';

const PARAMETERS = [
  'lr = 0.1  # how fast it learns',
  'epochs: int = 3',
  'layers = [64, 32]',
  'optimiser: Literal["sgd", "adam"] = "adam"',
  'augment = False  # also mirrored pictures',
  'hub_token = ""'
].join('\n');

/** Write a notebook with a parameters cell. */
function write(lab: Lab, name: string, ...sources: string[]): void {
  lab.write(name, ['from typing import Literal', PARAMETERS, ...sources]);
  const file = path.join(lab.work, name);
  const document = JSON.parse(fs.readFileSync(file, 'utf8'));
  document.cells[1].metadata.tags = ['parameters'];
  fs.writeFileSync(file, JSON.stringify(document, null, 1));
}

async function openForm(page: Page): Promise<Locator> {
  await page.locator('.jp-Sovlab-picker button').click();
  await page.getByRole('menuitem', { name: /Submit Notebook as Job/ }).click();
  return shown(page);
}

/** The form. A notebook that gets a kernel for the first time is not saved: JupyterLab notes the kernel's language in it. */
async function shown(page: Page): Promise<Locator> {
  const form = page.getByRole('dialog').filter({ has: page.locator('.jp-Sovlab-form') });
  const ask = page.getByRole('dialog').filter({ hasText: 'not saved' });
  await expect(form.or(ask)).toBeVisible();
  if (await ask.isVisible()) {
    await ask.getByRole('button', { name: 'Save and go on' }).click();
  }
  await expect(form).toBeVisible();
  return form;
}

async function notifications(page: Page): Promise<Locator> {
  // Galata has notifications wait in their centre.
  const list = page.locator('.jp-Notification-List');
  if (!(await list.isVisible())) {
    await page.evaluate(() => (window as any).jupyterapp.commands.execute('apputils:display-notifications'));
  }
  return list;
}

test('a wrong value is told beside its field and the form kept; a right one runs into a new file', async ({ page, lab }) => {
  write(lab, 'train.ipynb', lab.gated('form', 'print("it was", lr, epochs, layers, optimiser, augment)'));
  await openNotebook(page, lab, 'train.ipynb');
  const form = await openForm(page);
  const before = fs.readFileSync(path.join(lab.work, 'train.ipynb'), 'utf8');
  const field = (name: string) => form.getByLabel(name, { exact: true });
  await expect(field('lr')).toBeFocused();
  await expect(field('lr')).toHaveValue('0.1');
  await expect(field('Notebook')).toHaveValue('train-out.ipynb');
  await expect(form).toContainText('float · default 0.1 · how fast it learns');
  await expect(field('hub_token')).toBeDisabled();
  await field('lr').fill('0.01');
  await field('epochs').fill('thirty');
  await field('layers').fill('[128');
  await field('optimiser').selectOption('sgd');
  await field('augment').check();
  await field('Notebook').fill('train.ipynb');
  await form.getByRole('button', { name: 'Submit' }).click();
  await expect(field('epochs')).toHaveAttribute('aria-invalid', 'true');
  await expect(field('epochs')).toHaveAccessibleDescription(/epochs is a whole number; “thirty” is not one\./);
  await expect(field('layers')).toHaveAccessibleDescription(/layers is a list/);
  await expect(field('Notebook')).toHaveAccessibleDescription(/The output is the notebook itself\./);
  await expect(field('epochs')).toBeFocused();
  // All that was typed is there.
  await expect(field('lr')).toHaveValue('0.01');
  await expect(field('lr')).not.toHaveAttribute('aria-invalid', 'true');
  await expect(field('epochs')).toHaveValue('thirty');
  await expect(field('optimiser')).toHaveValue('sgd');
  await expect(field('augment')).toBeChecked();
  await picture(page, 'form-faults');
  expect(await violations(page)).toEqual([]);
  // What is put right is wrong no more; Enter submits.
  await field('layers').fill('[128, 64]');
  await field('Notebook').fill('done.ipynb');
  await field('epochs').fill('30');
  await expect(field('epochs')).not.toHaveAttribute('aria-invalid', 'true');
  await field('epochs').press('Enter');
  await expect(form).toBeHidden();
  const list = await notifications(page);
  await expect(list).toContainText('train.ipynb runs as job train');
  await picture(page, 'form-begun');
  await list.getByRole('button', { name: 'Open job' }).first().click();
  await expect(page.locator('.jp-Sovlab-detail')).toContainText('begun');
  // A page that is loaded again knows of it.
  await openNotebook(page, lab, 'train.ipynb');
  const panel = await openPanel(page);
  await panel.getByRole('grid', { name: 'Jobs' }).getByRole('row').filter({ hasText: 'running' }).click();
  await expect(page.locator('.jp-Sovlab-detail')).toContainText('begun');
  lab.open('form');
  await expect(page.locator('.jp-Sovlab-detail')).toContainText('succeeded in');
  // It is told of when it is written, and then the job has it, too.
  await expect(page.locator('.jp-Sovlab-detail').getByRole('button', { name: 'Open done.ipynb' })).toBeVisible();
  const done = await notifications(page);
  await expect(done).toContainText('train.ipynb: succeeded');
  await done.getByRole('button', { name: 'Open output' }).first().click();
  await expect(page.locator('.jp-Notebook:visible')).toContainText('it was 0.01 30 [128, 64] sgd True');
  await page.keyboard.press('Escape');
  await picture(page, 'form-output');
  expect(fs.readFileSync(path.join(lab.work, 'train.ipynb'), 'utf8')).toBe(before);
  const executed = JSON.parse(fs.readFileSync(path.join(lab.work, 'done.ipynb'), 'utf8'));
  expect(executed.metadata.papermill.parameters).toEqual({ lr: 0.01, epochs: 30, layers: [128, 64], optimiser: 'sgd', augment: true });
});

test('what is not saved is saved first; a server that goes away keeps the form', async ({ page, lab }) => {
  write(lab, 'unsaved.ipynb', 'print("as it was")');
  await openNotebook(page, lab, 'unsaved.ipynb');
  await page.locator('.jp-Notebook .jp-CodeCell').nth(2).locator('.cm-content').click();
  await page.keyboard.press('Control+a');
  await page.keyboard.type('print("as it is now", epochs)');
  await page.keyboard.press('Escape');
  await page.keyboard.press('Control+Shift+c');
  await page.locator('.lm-CommandPalette-input').fill('Submit Notebook as Job');
  await page.locator('.lm-CommandPalette-item').filter({ hasText: 'Submit Notebook as Job' }).first().click();
  const ask = page.getByRole('dialog').filter({ hasText: 'not saved' });
  await expect(ask).toBeVisible();
  const form = await shown(page);
  await form.getByLabel('epochs', { exact: true }).fill('4');
  const runs = /\/sovlab\/api\/runs\?/;
  await page.route(runs, route => route.abort());
  await form.getByRole('button', { name: 'Submit' }).click();
  await expect(form.getByRole('alert')).toContainText('cannot be reached');
  await expect(form.getByLabel('epochs', { exact: true })).toHaveValue('4');
  await page.unroute(runs);
  await form.getByRole('button', { name: 'Submit' }).click();
  await expect(form).toBeHidden();
  await expect(await notifications(page)).toContainText('unsaved.ipynb: succeeded');
  const output = JSON.parse(fs.readFileSync(path.join(lab.work, 'unsaved-out.ipynb'), 'utf8'));
  expect(JSON.stringify(output.cells)).toContain('as it is now 4');
});

for (const theme of ['JupyterLab Light', 'JupyterLab Dark', 'JupyterLab Dark High Contrast']) {
  test(`the form is not hard to use, by axe: ${theme}`, async ({ page, lab }) => {
    const name = `form-${theme.replace(/\W+/g, '-').toLowerCase()}`;
    write(lab, `${name}.ipynb`, 'print(lr)');
    await openNotebook(page, lab, `${name}.ipynb`);
    await page.evaluate(theme => (window as any).jupyterapp.commands.execute('apputils:change-theme', { theme }), theme);
    await expect(page.locator('body')).toHaveAttribute('data-jp-theme-name', theme);
    const form = await openForm(page);
    await form.getByLabel('lr', { exact: true }).fill('quick');
    await form.getByLabel('Longest time', { exact: true }).fill('soon');
    await form.getByLabel('lr', { exact: true }).press('Enter');
    await expect(form).toContainText('lr is a number; “quick” is not one.');
    await picture(page, name);
    expect(await violations(page)).toEqual([]);
  });
}
