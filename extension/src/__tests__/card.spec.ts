/** @jest-environment jsdom */
import { Card } from '../card/card';
import { CardRenderer, rendererFactory } from '../mime';
import type { Rest } from '../model/rest';
import { CARD_MIME } from '../model/types';
import { Workbench } from '../model/workbench';
import { english } from '../model/words';
import { shared } from '../shared';
import { card, hello, job, reading, socketPair } from './made';

const sanitizer = { sanitize: (html: string) => html.replace(/<script[\s\S]*?<\/script>/g, '') };
const options = { mimeType: CARD_MIME, sanitizer, resolver: null, linkHandler: null, latexTypesetter: null };
const make = () => new Card({ trans: english, sanitizer });
const model = (data: unknown) =>
  ({ data: { [CARD_MIME]: data, 'text/html': '' }, metadata: {}, trusted: true, setData: () => undefined }) as any;
const hidden = (node: HTMLElement, selector: string) => node.querySelector<HTMLElement>(selector)!.hidden;

// In this page nothing has a place, and so nothing is ever out of view.
delete (globalThis as any).IntersectionObserver;

afterEach(() => {
  shared.workbench = null;
});

describe('a card', () => {
  it('comes before a widget, and is safe without trust', () => {
    expect(rendererFactory.safe).toBe(true);
  });

  it('shows state, place, progress and the end of the log', () => {
    const shown = make();
    const progress = { step: 31, total: 50, fraction: 0.62, metrics: { loss: 0.084 }, time: 1009, seconds_left: 80 };
    expect(shown.set(card({ progress } as any), '', true)).toBe(true);
    shown.paint();
    const text = shown.node.textContent!;
    expect(text).toContain('digits');
    expect(text).toContain('running 9 s');
    expect(text).toContain('cuda, 2 GPUs · local / node-7');
    expect(text).toContain('step 31 of 50 · loss 0.084 · about 1 min 20 s left');
    expect(text).toContain('epoch 1');
    expect(shown.node.querySelector('[role=progressbar]')!.getAttribute('aria-valuenow')).toBe('62');
    shown.dispose();
  });

  it('tells what an ended job took, and where the number is from', () => {
    const shown = make();
    const group = { name: 'accelerators', energy: reading(158_400), mean: 726, peak: 811, idle: null, devices: [] };
    const energy = { seconds: 218, groups: [group], devices: [], unavailable: {}, limits: {}, modelled: null };
    shown.set(card({ state: 'succeeded', ended: 1219, energy } as any), '', true);
    shown.paint();
    const facts = shown.node.querySelector('dl')!.textContent;
    expect(shown.node.textContent).toContain('succeeded in 3 min 38 s');
    expect(facts).toContain('0.044 kWh (counted, NVML energy counter), mean 726 W, peak 811 W');
    shown.dispose();
  });

  it('shows all that others have written as text', () => {
    const evil = '<img src=x onerror=alert(1)>';
    const shown = make();
    const error = { type: evil, message: evil, traceback: `File ${evil}\n${evil}`, rank: null };
    const forged = card({
      name: evil,
      target: evil,
      host: evil,
      message: evil,
      backend: evil,
      state: 'failed',
      reason: 'user_error',
      notes: [evil],
      error,
      log: { lines: [{ rank: null, text: `\x1b[31m${evil}` }], total: 1 },
      returned: [{ name: evil, type: evil, size: 1, detail: evil, error: '' }]
    } as any);
    shown.set(forged, '', true);
    shown.paint();
    expect(shown.node.querySelector('img')).toBeNull();
    expect(shown.node.textContent).toContain(evil);
    shown.dispose();
  });

  it.each([
    [null],
    [[]],
    ['text'],
    [{ id: '../../api/shutdown', name: 'x', state: 'running' }],
    [{ id: 'a b', name: 'x', state: 'running' }]
  ])('is none of %j', async data => {
    const renderer = new CardRenderer(options);
    await renderer.renderModel(model(data));
    expect(renderer.node.querySelector('.jp-Sovlab-card')).toBeNull();
    expect(renderer.node.textContent).toContain('is none');
    renderer.dispose();
  });

  it.each([
    { progress: 'much', error: 7, energy: [], returned: 'x', notes: {}, log: null },
    { progress: { metrics: null }, error: { traceback: 3 }, energy: { groups: 1 }, log: { lines: [1, null] } },
    { submitted: 'yesterday', started: NaN, state: 'dancing', nodes: {}, updated: 'now' }
  ])('bears data that is not as it should be: %j', async wrong => {
    const renderer = new CardRenderer(options);
    await renderer.renderModel(model({ ...card(), ...wrong }));
    expect(renderer.node.querySelector('.jp-Sovlab-card')).not.toBeNull();
    renderer.dispose();
  });

  it.each([
    ['a log', { log: { lines: Array.from({ length: 500_000 }, () => ({ rank: null, text: 'x'.repeat(100) })), total: 1 } }],
    ['one line', { log: { lines: [{ rank: null, text: 'x'.repeat(50_000_000) }], total: 1 } }],
    ['names', { state: 'succeeded', ended: 1010, returned: Array.from({ length: 200_000 }, () => ({ name: 'y'.repeat(250) })) }],
    ['notes', { notes: Array.from({ length: 500_000 }, () => 'z'.repeat(100)) }],
    ['a traceback', { state: 'failed', ended: 1010, error: { type: 'E', message: '', traceback: 'line\n'.repeat(10_000_000) } }],
    ['metrics', { progress: { step: 1, metrics: Object.fromEntries(Array.from({ length: 500_000 }, (_, i) => [`m${i}`, 'w'.repeat(90)])) } }]
  ])('shows a part of a bundle of 50 MB: %s', async (_, much) => {
    const renderer = new CardRenderer(options);
    await renderer.renderModel(model({ ...card(), ...much }));
    expect(renderer.node.querySelector('.jp-Sovlab-card')).not.toBeNull();
    expect(renderer.node.querySelectorAll('*').length).toBeLessThan(20_000);
    expect(renderer.node.textContent!.length).toBeLessThan(1_200_000);
    renderer.dispose();
  });

  it('keeps names from turning round the text beside them', () => {
    const shown = make();
    shown.set(card({ name: 'a\u202egnp.exe' }), '', true);
    shown.paint();
    const holders = [...shown.node.querySelectorAll('*')].filter(
      each => !each.childElementCount && each.textContent!.includes('\u202e')
    );
    expect(holders.length).toBeGreaterThan(0);
    expect(holders.every(each => each.closest('bdi'))).toBe(true);
    shown.dispose();
  });

  it('takes outputs out of the HTML, and nothing that is run or fetched', () => {
    const block = 'border-top:1px solid;padding:6px 12px;overflow-x:auto';
    const picture = 'data:image/png;base64,AAAA';
    const html =
      '<div><div>head</div>' +
      `<div style="${block}"><img src="${picture}"><img src="http://elsewhere/x.png"><script>1</script></div></div>`;
    const shown = make();
    shown.set(card({ state: 'succeeded', ended: 1010, outputs: 1 }), html, false);
    shown.paint();
    const images = [...shown.node.querySelectorAll('img')].map(image => image.getAttribute('src'));
    expect(images).toEqual([picture, null]);
    expect(shown.node.querySelector('script')).toBeNull();
    shown.dispose();
  });

  it('is painted again without being made again', async () => {
    const renderer = new CardRenderer(options);
    await renderer.renderModel(model(card()));
    const node = renderer.node.firstElementChild;
    await renderer.renderModel(model(card({ state: 'cancelled', ended: 1012 })));
    expect(renderer.node.firstElementChild).toBe(node);
    expect(renderer.node.textContent).toContain('cancelled after');
    renderer.dispose();
  });
});

describe('a card with a server', () => {
  function served() {
    const { socket, ends } = socketPair();
    const calls: string[] = [];
    const rest = {
      version: async () => ({ protocol: 1 }),
      targets: async () => ({ current: 'local', targets: [], notes: [] }),
      power: async () => ({ series: [] }),
      cancel: async () => calls.push('cancel'),
      remove: async () => calls.push('remove')
    } as unknown as Rest;
    const workbench = new Workbench(rest, socket);
    shared.workbench = workbench;
    return { workbench, ends, calls };
  }

  it('does nothing in a notebook that is not trusted', async () => {
    const { workbench, ends } = served();
    await workbench.start();
    ends[0].say(hello());
    const shown = make();
    shown.set(card(), '', false);
    shown.paint();
    expect(shown.node.querySelectorAll('.jp-Sovlab-head button')).toHaveLength(0);
    expect(ends[0].heard.filter(each => each.type === 'follow')).toHaveLength(0);
    expect(shown.node.textContent).toContain('not trusted');
    shown.dispose();
  });

  it('is told by the server, whether the kernel lives or not', async () => {
    const { workbench, ends } = served();
    await workbench.start();
    ends[0].say(hello());
    const shown = make();
    shown.set(card(), '', true);
    expect(ends[0].heard).toContainEqual({ type: 'follow', job: 'digits-1a2b', target: 'local', have: null });
    ends[0].say({ type: 'job', target: 'local', job: job('digits-1a2b', { state: 'failed', ended: 1020 }), ended: false });
    shown.paint();
    expect(shown.node.textContent).toContain('failed after 19 s');
    shown.dispose();
    expect(ends[0].heard.filter(each => each.type === 'unfollow')).toHaveLength(1);
  });

  it('asks before it ends what runs, and says what came of it', async () => {
    const { workbench, ends, calls } = served();
    await workbench.start();
    ends[0].say(hello());
    const shown = make();
    document.body.append(shown.node);
    shown.set(card(), '', true);
    shown.paint();
    const press = (label: string) =>
      [...shown.node.querySelectorAll('button')].find(each => each.textContent === label && !each.hidden)!.click();
    press('Cancel');
    expect(calls).toEqual([]);
    expect(shown.node.textContent).toContain('Cancel digits?');
    press('Cancel job');
    await Promise.resolve();
    await Promise.resolve();
    expect(calls).toEqual(['cancel']);
    shown.dispose();
    shown.node.remove();
  });

  it('asks, too, where the job has printed and the news that it runs is late', async () => {
    const { workbench, ends, calls } = served();
    await workbench.start();
    ends[0].say(hello());
    const shown = make();
    document.body.append(shown.node);
    shown.set(card({ state: 'pending', started: null } as any), '', true);
    const pieces = [{ rank: null, start: 0, bytes: 6, text: 'begun\n' }];
    ends[0].say({ type: 'log', target: 'local', job: 'digits-1a2b', pieces });
    shown.paint();
    [...shown.node.querySelectorAll('button')].find(each => each.textContent === 'Cancel' && !each.hidden)!.click();
    expect(calls).toEqual([]);
    expect(shown.node.textContent).toContain('Cancel digits?');
    shown.dispose();
    shown.node.remove();
  });

  it('lets nobody press what he may not do', async () => {
    const { workbench, ends } = served();
    await workbench.start();
    ends[0].say(hello({ may: { write: false, execute: false } }));
    const shown = make();
    shown.set(card(), '', true);
    shown.paint();
    const cancel = [...shown.node.querySelectorAll('button')].find(each => each.textContent === 'Cancel')!;
    expect(cancel.disabled).toBe(true);
    expect(cancel.title).toContain('look only');
    shown.dispose();
  });

  it('says that it reconnects', async () => {
    const { workbench, ends } = served();
    await workbench.start();
    ends[0].say(hello());
    const shown = make();
    shown.set(card(), '', true);
    ends[0].drop();
    shown.paint();
    expect(shown.node.textContent).toContain('reconnecting');
    expect(hidden(shown.node, '.jp-Sovlab-foot')).toBe(false);
    workbench.dispose();
    shown.dispose();
  });
});
