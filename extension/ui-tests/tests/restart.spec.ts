// Playwright's own page: Galata's takes each request in hand, and fails when a server is gone.
import { test } from '@playwright/test';
import { Lab } from './lab';
import { card, expect, openNotebook, openPanel, picture, submitFromCell } from './page';

test('the server goes and comes: the card says so, and is right again', async ({ page }) => {
  const lab = new Lab();
  await lab.start();
  try {
    lab.write('restart.ipynb', [lab.gated('restart')]);
    await openNotebook(page, lab, 'restart.ipynb');
    await submitFromCell(page, 0);
    await expect(card(page)).toContainText('begun');
    await openPanel(page);
    await lab.stop('SIGKILL');
    await expect(card(page)).toContainText('reconnecting. The job goes on without this page');
    await expect(page.getByText('The Jupyter server does not answer')).toBeVisible();
    await picture(page, 'server-gone');
    lab.open('restart');
    await lab.start();
    await expect(card(page)).toContainText('succeeded in', { timeout: 90_000 });
    await expect(page.getByText('The Jupyter server does not answer')).toBeHidden();
  } finally {
    await lab.remove();
  }
});
