/** What tests do on a page: Galata's, with one server of ours for all tests of a worker. */
import { test as base } from '@jupyterlab/galata';
import { expect, type Locator, type Page } from '@playwright/test';
import path from 'node:path';
import { APP, Lab } from './lab';

export { expect };
export const CARD = 'application/vnd.sovlab.job.v1+json';

/** Galata's page, on a server of ours. */
export const test = base.extend<object, { lab: Lab }>({
  lab: [
    // eslint-disable-next-line no-empty-pattern
    async ({}, use) => {
      const lab = new Lab();
      await lab.start();
      await use(lab);
      await lab.remove();
    },
    { scope: 'worker', timeout: 120_000 }
  ],
  baseURL: async ({ lab }, use) => use(lab.url),
  // Each test opens a notebook by its address, as users reload it.
  autoGoto: false,
  // Galata's own waits for its launcher; with a notebook in the address there is none.
  // eslint-disable-next-line no-empty-pattern
  waitForApplication: async ({}, use) =>
    use(async page => {
      await page.locator('#jupyterlab-splash').waitFor({ state: 'detached', timeout: 120_000 });
    })
});

/** Open a notebook by its address, in a page of any kind, and wait for its kernel, if it is to have one. */
export async function openNotebook(page: Page, lab: Lab, name: string, kernel = true): Promise<void> {
  const where = APP === 'notebook' ? `notebooks/${name}` : `lab/tree/${name}?reset`;
  await page.goto(`${lab.url}/${where}`, { waitUntil: 'domcontentloaded' });
  await expect(page.locator('.jp-Notebook .jp-CodeCell').first()).toBeVisible({ timeout: 120_000 });
  await expect(page.locator('.jp-Sovlab-picker')).toContainText('·', { timeout: 120_000 });
  if (kernel) {
    await kernelIdle(page);
  }
}

export async function kernelIdle(page: Page): Promise<void> {
  await page.waitForFunction(
    () => {
      const app = (window as any).jupyterapp ?? (window as any).jupyterlab;
      const kernel = app?.shell.currentWidget?.sessionContext?.session?.kernel;
      return kernel?.connectionStatus === 'connected' && kernel.status === 'idle';
    },
    null,
    { timeout: 120_000 }
  );
}

export function cell(page: Page, index: number): Locator {
  return page.locator('.jp-Notebook .jp-CodeCell').nth(index);
}

export function card(page: Page, index = 0): Locator {
  return page.locator('.jp-Sovlab-card').nth(index);
}

/** Submit a cell by the button of its own toolbar. */
export async function submitFromCell(page: Page, index: number): Promise<void> {
  await cell(page, index).locator('.jp-InputArea-editor').click();
  await cell(page, index).locator('[data-jp-item-name="sovlab-submit-cell"]').locator('button, jp-button').first().click();
}

export async function openPanel(page: Page): Promise<Locator> {
  const panel = page.getByRole('region', { name: 'sovlab jobs and backends' });
  if (APP === 'notebook') {
    // It has no tabs at its sides.
    await page.getByRole('menuitem', { name: 'View', exact: true }).click();
    await page.locator('.lm-Menu-item[data-command="sovlab:open-panel"]').click();
  } else if (!(await panel.isVisible())) {
    await page.locator('.lm-TabBar-tab[data-id="sovlab-panel"]').click();
  }
  await expect(panel).toBeVisible();
  return panel;
}

export async function save(page: Page): Promise<void> {
  const saved = page.waitForResponse(answer => answer.request().method() === 'PUT' && answer.url().includes('/api/contents/'));
  await page.keyboard.press('Escape');
  await page.keyboard.press('Control+s');
  await saved;
}

export async function picture(page: Page, name: string): Promise<void> {
  await page.screenshot({ path: path.join(__dirname, '..', 'artefacts', `${name}.png`) });
}

/** Violations of WCAG in our own nodes, by axe. */
export async function violations(page: Page): Promise<string[]> {
  await page.addScriptTag({ path: require.resolve('axe-core/axe.min.js') });
  return page.evaluate(async () => {
    const axe = (window as any).axe;
    const tags = ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa'];
    const { violations } = await axe.run({ include: [['.jp-Sovlab']] }, { runOnly: tags });
    return violations.flatMap((each: any) => each.nodes.map((node: any) => `${each.id}: ${node.html.slice(0, 160)} ${node.failureSummary}`));
  });
}
