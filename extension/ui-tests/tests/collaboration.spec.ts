// Two people on one notebook, by jupyter-collaboration; without it in the environment there is nothing to test.
import { type Page, test } from '@playwright/test';
import { execFileSync } from 'node:child_process';
import { APP, Lab, PYTHON } from './lab';
import { card, CARD, cell, expect, openNotebook, picture, submitFromCell } from './page';

const ASKED = 'import importlib.util as u, sys; sys.stdout.write(str(u.find_spec("jupyter_server_ydoc") is not None))';
const THERE = execFileSync(PYTHON, ['-c', ASKED]).toString() === 'True';

test.skip(!THERE || APP !== 'lab', 'jupyter-collaboration is not installed');

/** What a page has as outputs of a cell: the ids of jobs of its cards. */
async function cards(page: Page, index: number): Promise<string[]> {
  return page.evaluate(
    ([index, mime]) => {
      const { model } = (window as any).jupyterapp.shell.currentWidget.content.widgets[index];
      return model.sharedModel.getOutputs().map((output: any) => output.data?.[mime as string]?.id ?? output.output_type);
    },
    [index, CARD] as const
  );
}

/** Cards of somebody else are alive for whoever says that he trusts the notebook; that is not shared. */
async function trust(page: Page): Promise<void> {
  await page.evaluate(() => void (window as any).jupyterapp.commands.execute('notebook:trust'));
  await page.locator('.jp-Dialog .jp-mod-accept').click();
  await expect(page.locator('.jp-Dialog')).toHaveCount(0);
}

for (const kernel of [true, false]) {
  const how = kernel ? 'by the kernel' : 'by the server, without a kernel';
  test(`two people on a notebook: one submits ${how}, both see one card, and either may cancel`, async ({ browser }) => {
    const lab = new Lab();
    await lab.start();
    const contexts = [await browser.newContext(), await browser.newContext()];
    try {
      lab.write('shared.ipynb', [lab.gated('first'), lab.gated('second')]);
      const [mine, theirs] = await Promise.all(contexts.map(context => context.newPage()));
      for (const page of [mine, theirs]) {
        await openNotebook(page, lab, 'shared.ipynb', kernel);
        await trust(page);
      }
      if (!kernel) {
        await mine.evaluate(() => (window as any).jupyterapp.shell.currentWidget.sessionContext.shutdown());
        // The other one's page is told of it late.
        await theirs.waitForFunction(() => {
          const { session } = (window as any).jupyterapp.shell.currentWidget.sessionContext;
          return !session?.kernel || session.kernel.status === 'dead' || session.kernel.connectionStatus !== 'connected';
        });
      }
      await submitFromCell(mine, 0);
      for (const page of [mine, theirs]) {
        await expect(card(page)).toContainText('begun');
        await expect(card(page)).toContainText('running');
      }
      const written = await cards(mine, 0);
      expect(written).toEqual([expect.stringMatching(/^[0-9a-z-]+$/)]);
      await expect.poll(() => cards(theirs, 0)).toEqual(written);
      await picture(theirs, `collaboration-${kernel ? 'kernel' : 'server'}`);
      // What ends is written once, by the one who wrote before, and is the same for both.
      lab.open('first');
      for (const page of [mine, theirs]) {
        await expect(card(page)).toContainText('succeeded in');
        await expect(card(page)).toContainText('ended');
      }
      // The other one submits, too; whoever did not can cancel.
      await submitFromCell(theirs, 1);
      await expect(card(mine, 1)).toContainText('begun');
      await expect(card(mine, 1).getByRole('button', { name: 'Cancel' })).toBeEnabled();
      await card(mine, 1).getByRole('button', { name: 'Cancel' }).click();
      await card(mine, 1).getByRole('button', { name: 'Cancel job' }).click();
      for (const page of [mine, theirs]) {
        await expect(card(page, 1)).toContainText('cancelled after');
        await expect(page.locator('.jp-Sovlab-card')).toHaveCount(2);
      }
      expect(await cards(mine, 0)).toEqual(written);
      expect(await cards(theirs, 0)).toEqual(written);
      // What the document says has ended: it is what is saved.
      await expect
        .poll(() => lab.read('shared.ipynb').cells.map(each => each.outputs.map(output => (output.data?.[CARD] as any)?.state)))
        .toEqual([['succeeded'], ['cancelled']]);
      await expect(cell(theirs, 0).locator('.jp-OutputArea-output')).toHaveCount(1);
    } finally {
      await Promise.all(contexts.map(context => context.close()));
      await lab.remove();
    }
  });
}
