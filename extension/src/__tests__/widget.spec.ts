/** @jest-environment jsdom */
import widget from '../widget/index';
import { sanitize } from '../widget/sanitizer';
import { card, job, reading } from './made';

delete (globalThis as any).IntersectionObserver;

/** anywidget's model, whose other end is the test. */
class FakeModel {
  constructor(public state: Record<string, unknown>) {}
  sent: any[] = [];
  listeners = new Map<string, Set<(...args: any[]) => void>>();
  get(name: string) {
    return this.state[name];
  }
  on(event: string, callback: (...args: any[]) => void) {
    this.listeners.set(event, (this.listeners.get(event) ?? new Set()).add(callback));
  }
  off(event: string, callback: (...args: any[]) => void) {
    this.listeners.get(event)?.delete(callback);
  }
  send(content: unknown) {
    this.sent.push(content);
  }
  emit(event: string, ...args: any[]) {
    this.listeners.get(event)?.forEach(callback => callback(...args));
  }
  async say(state: Record<string, unknown>) {
    Object.assign(this.state, state);
    Object.keys(state).forEach(name => this.emit(`change:${name}`));
    await Promise.resolve();
    jest.runOnlyPendingTimers();
  }
  async answer(content: object) {
    this.emit('msg:custom', { type: 'answer', id: this.sent[this.sent.length - 1].id, ...content }, []);
    for (let i = 0; i < 5; i++) {
      await Promise.resolve();
    }
  }
}

const now = () => Date.now() / 1000;
const running = (more = {}) => card({ started: now() - 9, updated: now(), ...more });
const press = (el: HTMLElement, label: string) =>
  [...el.querySelectorAll('button')].find(each => !each.hidden && each.textContent === label)!.click();

let model: FakeModel;
let el: HTMLElement;
let end: () => void;
function shown(state: Record<string, unknown>) {
  model = new FakeModel({ html: '', readings: {}, ...state });
  el = document.createElement('div');
  document.body.append(el);
  end = widget.render({ model, el });
  jest.runOnlyPendingTimers();
}

beforeEach(() => jest.useFakeTimers());
afterEach(() => {
  end?.();
  el?.remove();
  jest.useRealTimers();
});

describe('the widget', () => {
  it('shows what the model has, and follows it', async () => {
    shown({ card: running() });
    expect(el.textContent).toContain('running 9 s');
    expect(el.textContent).toContain('epoch 1');
    await model.say({ card: running({ log: { lines: [{ rank: null, text: 'epoch 2' }], total: 2 } }) });
    expect(el.textContent).toContain('epoch 2');
    await model.say({ card: running({ state: 'succeeded', ended: now() }) });
    expect(el.textContent).toContain('succeeded in 9.0 s');
  });

  it('shows what is measured, with its source, and a curve of what it saw', async () => {
    shown({ card: running() });
    const device = {
      id: 'gpu0', kind: 'gpu', name: 'H100', index: 0, celsius: 61, slowed: [],
      power: reading(301, 'W', { source: 'sampled' }), joules: reading(5000)
    };
    for (const seconds of [0, 1, 2]) {
      await model.say({ readings: { type: 'readings', target: 'local', job: 'x', time: now() + seconds, devices: [device], limits: [] } });
    }
    expect(el.textContent).toContain('301 W');
    expect(el.querySelector('.jp-mod-power path')!.getAttribute('d')).toMatch(/^M.*L.*L/);
  });

  it('asks the kernel to cancel, after a question, and says what came of it', async () => {
    shown({ card: running() });
    press(el, 'Cancel');
    expect(model.sent).toEqual([]);
    press(el, 'Cancel job');
    expect(model.sent).toEqual([{ type: 'ask', id: 1, what: 'cancel' }]);
    await model.answer({ answer: job('digits-1a2b') });
    expect(el.textContent).toContain('It was asked to end.');
  });

  it('says why something was refused', async () => {
    shown({ card: running({ state: 'succeeded', ended: now() }) });
    press(el, 'Rerun');
    await model.answer({ problem: 'The cluster does not answer.' });
    expect(el.textContent).toContain('The cluster does not answer.');
  });

  it('says that a kernel is busy or gone, and lets nothing be asked of it until it speaks', async () => {
    shown({ card: running() });
    press(el, 'Cancel');
    press(el, 'Cancel job');
    await jest.advanceTimersByTimeAsync(21_000);
    expect(el.textContent).toContain('it is busy, or gone');
    const cancel = [...el.querySelectorAll('button')].find(each => each.textContent === 'Cancel')!;
    expect(cancel.disabled).toBe(true);
    expect(el.textContent).toContain('The kernel says nothing more.');
    await model.say({ card: running() });
    expect(cancel.disabled).toBe(false);
  });

  it('knows a model that was saved from one that lives', () => {
    shown({ card: running({ updated: now() - 3600 }) });
    expect(el.textContent).toContain('The kernel says nothing more.');
  });

  it('shows what a job displayed once it has ended, cleaned', async () => {
    const output = '<div style="padding-top:1px;overflow-x:auto"><b onclick="x()">bold</b><script>y()</script></div>';
    shown({ card: running({ state: 'succeeded', ended: now(), outputs: 1 }), html: `<div>${output}</div>` });
    const block = el.querySelector('.jp-Sovlab-output')!;
    expect(block.innerHTML).toBe('<b>bold</b>');
  });

  it.each([[null], [{ id: '../x', name: 'x', state: 'running' }]])('is no card of %j', async data => {
    shown({ card: data });
    expect(el.querySelector('.jp-Sovlab-card')).toBeNull();
    expect(el.textContent).toContain('is none');
    await model.say({ card: running() });
    expect(el.textContent).toContain('running 9 s');
    await model.say({ card: data });
    expect(el.querySelector('.jp-Sovlab-card')).toBeNull();
    expect(model.sent).toEqual([]);
  });

  it('leaves nothing behind', () => {
    shown({ card: running() });
    end();
    expect(el.childNodes.length).toBe(0);
    expect([...model.listeners.values()].every(some => some.size === 0)).toBe(true);
  });
});

describe('its sanitizer', () => {
  it.each([
    ['<img src=x onerror=alert(1)>', '<img>'],
    ['<img src="https://example.org/x.png">', '<img>'],
    ['<img src="data:image/png;base64,AAAA" alt="a">', '<img src="data:image/png;base64,AAAA" alt="a">'],
    ['<a href="javascript:alert(1)">x</a>', '<a>x</a>'],
    ['<svg><script>alert(1)</script></svg><math></math>', ''],
    ['<p>1<style>p{}</style><iframe src=x></iframe></p>', '<p>1</p>'],
    ['<form><input><button>x</button></form>', ''],
    ['<custom-tag><i>x</i></custom-tag>', '<i>x</i>'],
    ['<div style="background:url(x);color:red">x</div>', '<div style="color: red;">x</div>']
  ])('makes of %s', (html, clean) => {
    expect(sanitize(html)).toBe(clean);
  });
});
