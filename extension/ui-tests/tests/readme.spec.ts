import fs from 'node:fs';
import path from 'node:path';
import { card, expect, openNotebook, openPanel, picture, submitFromCell, test } from './page';

/** What README shows: `make pictures` keeps these. */
const TRAIN = `%%sovsubmit --name digits --out accuracy
import torch, sovlab
from digits import epochs, load

x, y = load()
model = torch.nn.Sequential(torch.nn.Linear(64, 128), torch.nn.ReLU(), torch.nn.Linear(128, 10))
optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
for epoch in epochs(40):
    loss = torch.nn.functional.cross_entropy(model(x), y)
    optimizer.zero_grad(); loss.backward(); optimizer.step()
    sovlab.progress(epoch, 40, loss=loss.item())
    print(f"epoch {epoch:2}: loss {loss.item():.3f}")
accuracy = (model(x).argmax(1) == y).float().mean().item()`;

/** The module beside the notebook: its 24th epoch lasts until the picture is taken. */
const DIGITS = (gate: string) => `import pathlib, time, torch
from sklearn.datasets import load_digits

def load():
    x, y = (torch.tensor(part) for part in load_digits(return_X_y=True))
    return x.float() / 16, y

def epochs(count):
    for epoch in range(1, count + 1):
        yield epoch
        while epoch == 24 and not pathlib.Path(${JSON.stringify(gate)}).exists():
            time.sleep(0.05)
`;

test('a training from a cell, as README shows it', async ({ page, lab }) => {
  fs.writeFileSync(path.join(lab.work, 'digits.py'), DIGITS(lab.gate('digits')));
  lab.write('train.ipynb', [TRAIN, 'accuracy']);
  await openNotebook(page, lab, 'train.ipynb');
  const panel = await openPanel(page);
  await expect(panel.getByRole('region', { name: 'Backends' })).toContainText('cpu');
  await submitFromCell(page, 0);
  await expect(card(page)).toContainText('epoch 24: loss', { timeout: 120_000 });
  await expect(card(page)).toContainText('step 24 of 40');
  await page.keyboard.press('Escape');
  await picture(page, 'readme-running');
  lab.open('digits');
  await expect(card(page)).toContainText('succeeded in', { timeout: 120_000 });
  await expect(card(page)).toContainText('accuracy');
  await picture(page, 'readme-ended');
  await panel.getByRole('searchbox').fill('digits');
  await expect(panel.getByRole('grid', { name: 'Jobs' }).getByRole('row')).toHaveCount(1);
  await panel.getByRole('row').filter({ hasText: 'digits' }).click();
  const detail = page.locator('.jp-Sovlab-detail');
  await expect(detail).toContainText('epoch 40: loss');
  await picture(page, 'readme-detail');
});
