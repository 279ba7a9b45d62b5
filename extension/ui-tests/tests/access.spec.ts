import { card, expect, openNotebook, openPanel, picture, submitFromCell, test, violations } from './page';

for (const theme of ['JupyterLab Light', 'JupyterLab Dark', 'JupyterLab Dark High Contrast']) {
  test(`nothing of ours is hard to use, by axe: ${theme}`, async ({ page, lab }) => {
    const name = theme.replace(/\W+/g, '-').toLowerCase();
    lab.write(`${name}.ipynb`, [lab.gated(name), '1 / 0']);
    await openNotebook(page, lab, `${name}.ipynb`);
    await page.evaluate(theme => (window as any).jupyterapp.commands.execute('apputils:change-theme', { theme }), theme);
    await expect(page.locator('body')).toHaveAttribute('data-jp-theme-name', theme);
    const panel = await openPanel(page);
    await submitFromCell(page, 0);
    await submitFromCell(page, 1);
    await expect(card(page)).toContainText('begun');
    await expect(card(page, 1)).toContainText('ZeroDivisionError');
    await picture(page, `cards-${name}`);
    expect(await violations(page)).toEqual([]);
    await panel.getByRole('row').filter({ hasText: 'running' }).first().click();
    await expect(page.locator('.jp-Sovlab-detail')).toContainText('begun');
    await picture(page, `detail-${name}`);
    expect(await violations(page)).toEqual([]);
    lab.open(name);
    await expect(page.locator('.jp-Sovlab-detail')).toContainText('succeeded in');
  });
}
