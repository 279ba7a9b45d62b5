/** @jest-environment jsdom */
import { ProblemError } from '../model/problems';
import type { Happening, Happenings, Sent } from '../model/types';
import { english as trans } from '../model/words';
import { Happened, PART } from '../panel/happened';
import { SentView } from '../panel/sent';

const happening = (time: number | null, text: string, more: Partial<Happening> = {}): Happening => ({
  time,
  of: 'job',
  text,
  warning: false,
  count: 1,
  ...more
});

const part = (happenings: Happening[], total = happenings.length, page = 0): Happenings => ({
  id: 'x-abcdef',
  page,
  size: PART,
  total,
  happenings,
  notes: []
});

describe('what happened', () => {
  it('is a table with the time since the first, and warnings in words', async () => {
    const view = new Happened(trans, async () =>
      part([
        happening(1000, 'It was submitted.'),
        happening(1065, 'BackOff: <img src=x>', { of: 'Pod x-abcdef', warning: true, count: 3 }),
        happening(null, 'Now queued.')
      ])
    );
    await view.refresh();
    const rows = [...view.node.querySelectorAll('tbody tr')].map(row => [...row.children].map(cell => cell.textContent));
    expect(rows.map(row => row.slice(1))).toEqual([
      ['0 ms', 'job', 'It was submitted.'],
      ['1 min 5 s', 'Pod x-abcdef', '▲ warning: BackOff: <img src=x> (3 times)'],
      ['', 'job', 'Now queued.']
    ]);
    expect(rows[2][0]).toBe('now');
    expect(view.node.querySelector('img')).toBeNull();
  });

  it('asks for more when asked to, and begins anew at a refresh', async () => {
    const asked: number[] = [];
    const view = new Happened(trans, async page => {
      asked.push(page);
      return part([happening(1000 + page, `page ${page}`)], 2, page);
    });
    await view.refresh();
    const more = view.node.querySelector('button')!;
    expect(more.hidden).toBe(false);
    more.click();
    await new Promise(done => setTimeout(done));
    expect(view.node.querySelectorAll('tbody tr')).toHaveLength(2);
    expect(more.hidden).toBe(true);
    await view.refresh();
    expect(asked).toEqual([0, 1, 0]);
    expect(view.node.querySelectorAll('tbody tr')).toHaveLength(1);
  });

  it('says why it cannot be told', async () => {
    const problem = { type: '', title: '', status: 503, detail: 'lab does not answer.', hint: 'Try again.', errors: [] };
    const view = new Happened(trans, async () => {
      throw new ProblemError(problem);
    });
    await view.refresh();
    expect(view.node.textContent).toContain('lab does not answer. Try again.');
  });
});

describe('what was sent', () => {
  const sent: Sent = {
    id: 'x-abcdef',
    source: 'x = "<script>alert(1)</script>"',
    cut: 12,
    payload: 1200,
    digest: 'abc',
    python: '3.11',
    variables: [{ name: 'model', type: 'torch.nn.Linear', bytes: 4_200_000 }],
    withheld: ['api_key'],
    files: [{ path: 'beside.py', bytes: 11 }],
    options: { name: 'digits', nodes: '2' },
    env: ['MY_TOKEN'],
    args: ['--api-key', '…'],
    notes: []
  };

  it('is shown as text, once', async () => {
    let asked = 0;
    const view = new SentView(trans, async () => (asked++, sent));
    await view.show();
    await view.show();
    expect(asked).toBe(1);
    const text = view.node.textContent!;
    for (const each of ['alert(1)', '12 more characters', 'torch.nn.Linear', '4.2 MB', 'beside.py · 11 B', 'MY_TOKEN', 'api_key', '1.2 kB']) {
      expect(text).toContain(each);
    }
    expect(view.node.querySelector('script')).toBeNull();
  });

  it('is asked for again after a failure', async () => {
    let asked = 0;
    const view = new SentView(trans, async () => {
      if (asked++ === 0) {
        throw new Error('no answer');
      }
      return sent;
    });
    await view.show();
    expect(view.node.textContent).toContain('no answer');
    await view.show();
    expect(view.node.textContent).toContain('torch.nn.Linear');
  });
});
