// The curves of a job in the main area, drawn from a curve that the test answers in the server's place: no sensor is here.
import fs from 'node:fs';
import path from 'node:path';
import { ROOT } from './lab';
import { expect, openNotebook, openPanel, picture, submitFromCell, test, violations } from './page';

/** The file that the library is in. */
function library(): string {
  const folder = path.join(ROOT, 'sovlab', 'labextension', 'static');
  return fs.readdirSync(folder).find(name => name.endsWith('.js') && fs.readFileSync(path.join(folder, name), 'utf8').includes('u-cursor-pt"'))!;
}

/** Half an hour: means of a minute, then seconds, with a gap of four minutes and one of twenty seconds. */
function curve(end: number): [number, number, number, number][] {
  const points: [number, number, number, number][] = [];
  for (let at = end - 1800; at < end - 600; at += 60) {
    if (at < end - 1300 || at > end - 1060) {
      const watts = 250 + 60 * Math.sin(at / 200);
      points.push([at, 60, watts, watts + 20]);
    }
  }
  for (let at = end - 600; at < end; at++) {
    if (at < end - 320 || at >= end - 300) {
      const watts = 300 + 80 * Math.sin(at / 40) + (at % 7);
      points.push([at, 1, watts, watts]);
    }
  }
  return points;
}

for (const theme of ['JupyterLab Light', 'JupyterLab Dark', 'JupyterLab Dark High Contrast']) {
  test(`curves can be looked into: ${theme}`, async ({ page, lab }) => {
    const name = `curves-${theme.split(' ').slice(1).join('-').toLowerCase()}`;
    lab.write(`${name}.ipynb`, [lab.gated(name)]);
    const scripts: string[] = [];
    page.on('request', request => /extensions\/sovlab\/.*\.js/.test(request.url()) && scripts.push(request.url()));
    const end = Math.floor(Date.now() / 1000);
    await page.route(/\/sovlab\/api\/jobs\/[^/]+\/power/, route =>
      route.fulfill({
        contentType: 'application/json',
        body: JSON.stringify({
          id: 'x',
          energy: { value: 5e5, unit: 'J', source: 'counter', method: '', scope: '', coverage: 1, why: '' },
          mean: 280,
          peak: 400,
          series: [{ id: 'gpu0', kind: 'gpu', name: 'H100', index: 0, source: 'sampled', points: curve(end) }]
        })
      })
    );
    // What the server's socket would say of a device that is slowed.
    const socket: { say?: (message: object) => void } = {};
    await page.routeWebSocket(/\/sovlab\/api\//, page => {
      page.connectToServer();
      socket.say = message => page.send(JSON.stringify(message));
    });
    await openNotebook(page, lab, `${name}.ipynb`);
    await page.evaluate(theme => (window as any).jupyterapp.commands.execute('apputils:change-theme', { theme }), theme);
    const panel = await openPanel(page);
    await submitFromCell(page, 0);
    expect(scripts.filter(each => each.includes(library()))).toEqual([]);
    await panel.getByRole('grid').getByRole('row').filter({ hasText: 'running' }).first().click();
    const detail = page.locator('.jp-Sovlab-detail');
    const plot = detail.locator('.jp-Sovlab-chart-plot');
    await expect(plot.locator('canvas')).toBeVisible();
    expect(scripts.filter(each => each.includes(library()))).toHaveLength(1);
    const id = await detail.locator('.jp-Sovlab-name').first().getAttribute('title');
    for (let second = 1; second <= 90; second++) {
      const reading = (value: number, unit: string, source: string) => ({ value, unit, source, method: '', scope: 'board', coverage: null, why: '' });
      const slowed = second > 40 && second < 70 ? ['heat'] : [];
      const device = { id: 'gpu0', kind: 'gpu', name: 'H100', index: 0, power: reading(300, 'W', 'sampled'), joules: reading(1e5, 'J', 'counter'), celsius: 50 + second / 3, slowed };
      socket.say!({ type: 'readings', target: 'local', job: id, time: end + second, devices: [device], limits: [] });
    }
    await expect(plot).toHaveAttribute('aria-label', /temperature 50 °C to 80 °C; slowed 1 time/);
    await picture(page, name);
    // The cursor tells numbers with their units, and a gap as what is not known.
    const readout = detail.locator('.jp-Sovlab-chart-readout');
    await plot.focus();
    await page.keyboard.press('End');
    await expect(readout).toContainText('300 W (sampled) · 80 °C (sampled)');
    const box = (await plot.locator('.u-over').boundingBox())!;
    const at = (seconds: number) => box.x + (box.width * (1800 - seconds)) / 1890;
    await page.mouse.move(at(1180), box.y + 40);
    await expect(readout).toContainText('not known');
    await page.mouse.move(at(-55), box.y + 40);
    await expect(readout).toContainText('slowed');
    await page.mouse.move(at(1500), box.y + 40);
    await expect(readout).toContainText('W (sampled, mean of 1 min)');
    await page.mouse.move(at(100), box.y + 40);
    await expect(readout).toContainText(/: \d+ W \(sampled\)/);
    // A part of the time, by the mouse; all of it again, by the keyboard.
    await page.mouse.move(at(500), box.y + 40);
    await page.mouse.down();
    await page.mouse.move(at(200), box.y + 40, { steps: 5 });
    await page.mouse.up();
    const whole = detail.getByRole('button', { name: 'Whole time' });
    await expect(whole).toBeVisible();
    await picture(page, `${name}-zoomed`);
    await plot.focus();
    await page.keyboard.press('0');
    await expect(whole).toBeHidden();
    await detail.getByText('As a table').click();
    const rows = detail.locator('.jp-Sovlab-chart-table tbody tr');
    await expect(rows.nth(10)).toContainText(' W');
    await expect(rows.nth(20)).toContainText('———');
    await expect(rows.nth(50)).toContainText(' W');
    expect((await violations(page)).filter(each => each.includes('chart'))).toEqual([]);
    await picture(page, `${name}-table`);
    lab.open(name);
  });
}
