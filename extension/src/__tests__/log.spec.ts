import { Filter } from '../card/filter';
import { plain, runs } from '../model/ansi';
import { LogStore, savedLog } from '../model/log';

const piece = (start: number, text: string, rank: number | null = null) => ({
  rank,
  start,
  bytes: new TextEncoder().encode(text).length,
  text
});
const texts = (log: LogStore) => log.slice(0).map(line => (line.gap ? `<${line.gap.start}-${line.gap.end}>` : line.text));

describe('a log', () => {
  it('joins pieces to lines', () => {
    const log = new LogStore();
    log.add([piece(0, 'epo')]);
    log.add([piece(3, 'ch 1\nepoch 2\nep')]);
    expect(texts(log)).toEqual(['epoch 1', 'epoch 2', 'ep']);
  });

  it('takes nothing twice after a reconnect, and loses nothing', () => {
    const log = new LogStore();
    log.add([piece(0, 'one\ntwö\n')]);
    expect(log.have()).toEqual({ '': 9 });
    log.add([piece(0, 'one\ntwö\n'), piece(4, 'twö\nthree\n')]);
    expect(texts(log)).toEqual(['one', 'twö', 'three']);
    expect(log.have()).toEqual({ '': 15 });
  });

  it('shows what is missing between two pieces, though nobody said it', () => {
    const log = new LogStore();
    log.add([piece(0, 'one\n'), piece(10, 'four\n')]);
    expect(texts(log)).toEqual(['one', '<4-10>', 'four']);
  });

  it('keeps ranks apart whose lines are mixed', () => {
    const log = new LogStore();
    log.add([piece(0, 'ze', 0), piece(0, 'one\n', 1), piece(2, 'ro\n', 0)]);
    expect(log.slice(0).map(line => [line.rank, line.text])).toEqual([
      [1, 'one'],
      [0, 'zero']
    ]);
    expect(log.ranks).toEqual([0, 1]);
    expect(log.have()).toEqual({ '0': 5, '1': 4 });
    expect(log.matching(1, '').map(line => line.text)).toEqual(['one']);
    expect(log.text()).toBe('1 one\n0 zero\n');
  });

  it('puts what the server had of a gap into its place', () => {
    const log = new LogStore();
    log.skip({ rank: null, start: 0, end: 12, why: 'skipped' });
    log.add([piece(12, 'last\n')]);
    const gap = log.slice(0)[0].gap!;
    log.fill(gap, [piece(0, 'one\n')], 4);
    expect(texts(log)).toEqual(['one', '<4-12>', 'last']);
    log.fill(log.slice(0)[1].gap!, [piece(4, 'two\nfor\n')], 12);
    expect(texts(log)).toEqual(['one', 'two', 'for', 'last']);
  });

  it('holds no more than it may, and says how many it has dropped', () => {
    const log = new LogStore(1000);
    for (let i = 0; i < 50_000; i++) {
      log.add([piece(i * 6, `${String(i).padStart(5, '0')}\n`)]);
    }
    expect(log.length).toBeGreaterThanOrEqual(1000);
    expect(log.length).toBeLessThanOrEqual(8000);
    expect(log.length + log.dropped).toBe(50_000);
    expect(log.slice(log.length - 1)[0].text).toBe('49999');
  });

  it('does not grow by a bar that is drawn anew for ever', () => {
    const log = new LogStore();
    let start = 0;
    for (let i = 0; i < 20_000; i++) {
      const drawn = piece(start, `\r${i}/20000 [####    ]`);
      start += drawn.bytes;
      log.add([drawn]);
    }
    expect(log.slice(0)).toHaveLength(1);
    expect(log.slice(0)[0].text.length).toBeLessThan(4000);
    expect(plain(log.slice(0)[0].text)).toBe('19999/20000 [####    ]');
  });

  it('gives any line, of blocks with gaps between them, as it was printed', () => {
    const log = new LogStore();
    const told: string[] = [];
    let start = 0;
    for (let i = 0; i < 3000; i++) {
      const text = i % 97 === 0 ? `${'y'.repeat(2500)}${i}` : `${i} ${'x'.repeat((i * 13) % 90)}`;
      if (i % 701 === 700) {
        log.skip({ rank: null, start, end: start + 5, why: 'skipped' });
        told.push('gap');
        start += 5;
      }
      // Pieces end within lines.
      const drawn = `${text}\n`;
      const cut = (i * 31) % drawn.length;
      log.add([piece(start, drawn.slice(0, cut)), piece(start + cut, drawn.slice(cut))]);
      start += drawn.length;
      told.push(text);
    }
    const shown = log.slice(0).map(line => (line.gap ? 'gap' : line.text));
    expect(shown).toEqual(told);
    expect(log.slice(1500, 1503).map(line => line.text)).toEqual(told.slice(1500, 1503));
    const first = log.slice(0).find(line => line.gap)!.gap!;
    log.fill(first, [piece(first.start, 'a\nbc\n')], first.end!);
    const at = told.indexOf('gap');
    expect(log.slice(at - 1, at + 3).map(line => line.text)).toEqual([told[at - 1], 'a', 'bc', told[at + 1]]);
    expect(log.length).toBe(told.length + 1);
  });

  it('finds text whatever its case and its colours', () => {
    const log = savedLog([
      { rank: null, text: '\x1b[31mLoss\x1b[0m 0.1' },
      { rank: null, text: 'accuracy' }
    ]);
    expect(log.matching(null, 'loss 0')).toHaveLength(1);
  });

  it('knows a traceback at its end', () => {
    const log = savedLog(['start', 'Traceback', '  line', 'NameError: z'].map(text => ({ rank: null, text })));
    expect(log.endsWith(['Traceback', '  line', 'NameError: z'], null)).toBe(3);
    expect(log.endsWith(['Traceback', 'another'], null)).toBe(0);
    expect(log.endsWith([''], null)).toBe(0);
  });
});

describe('a filter', () => {
  it('finds what a whole search would find, whatever comes and however it is cut', () => {
    const log = new LogStore(50);
    const filter = new Filter();
    const told = [0, 0];
    for (let i = 0; i < 400; i++) {
      const rank = i % 2;
      const text = ['lo', 'ss 1\n', 'acc\n', 'x loss\nlos', 's\n\n'][(i * 7) % 5];
      log.add([{ rank, start: told[rank], bytes: text.length, text }]);
      told[rank] += text.length;
      expect(filter.apply(log, null, 'LOSS')).toEqual(log.matching(null, 'loss'));
    }
    expect(filter.apply(log, 1, 'loss')).toEqual(log.matching(1, 'loss'));
    expect(log.matching(1, 'loss').length).toBeGreaterThan(3);
  });
});

describe('a line as a terminal shows it', () => {
  it('overwrites after a carriage return', () => {
    expect(plain('10 %\r20 %')).toBe('20 %');
    expect(plain('100 %\r20')).toBe('200 %');
    expect(plain('abc\b\bX')).toBe('aXc');
    expect(plain('old text\r\x1b[Knew')).toBe('new');
  });

  it('has colours as classes', () => {
    expect(runs('\x1b[1;31mbad\x1b[0m ok')).toEqual([
      { text: 'bad', classes: ['bold', 'red'], colour: '' },
      { text: ' ok', classes: [], colour: '' }
    ]);
    expect(runs('\x1b[38;5;196mx')[0].colour).toBe('rgb(255, 0, 0)');
    expect(runs('\x1b[38;2;1;2;999mx')[0].colour).toBe('rgb(1, 2, 255)');
  });

  it('drops what commands a terminal', () => {
    expect(plain('\x1b]0;title\x07a\x1b[2Jb\x1b[?25lc\x00\x9bd')).toBe('abcd');
    expect(plain('\x1b]8;;http://evil\x1b\\link\x1b]8;;\x1b\\')).toBe('link');
  });

  it('is bounded, whatever a job prints', () => {
    const bomb = Array.from({ length: 50_000 }, (_, i) => `\x1b[3${i % 8}mx`).join('');
    const shown = runs(bomb);
    expect(shown.length).toBeLessThanOrEqual(201);
    expect(runs('y'.repeat(1_000_000))[0].text.length).toBeLessThan(4100);
    expect(runs('\x1b[999999999Gx').map(run => run.text).join('').length).toBeLessThan(4100);
  });
});
