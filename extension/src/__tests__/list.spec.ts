/** @jest-environment jsdom */
import { List } from '../panel/list';

const make = (length: number) => {
  const heard = { opened: [] as string[], chosen: [] as string[][], windows: [] as [number, number][] };
  const list = new List({
    label: 'Jobs',
    rowHeight: 40,
    keyOf: index => `job-${index}`,
    render: (row, index) => (row.textContent = `job-${index}`),
    onWindow: (first, end) => heard.windows.push([first, end]),
    onOpen: key => heard.opened.push(key),
    onChosen: keys => heard.chosen.push([...keys])
  });
  document.body.append(list.node);
  Object.defineProperty(list.node, 'clientHeight', { value: 800 });
  list.length = length;
  list.paint();
  const press = (key: string, more: KeyboardEventInit = {}) =>
    list.node.dispatchEvent(new KeyboardEvent('keydown', { key, bubbles: true, ...more }));
  return { list, heard, press };
};
const rows = (list: List) => [...list.node.querySelectorAll('[role=row]')];

describe('a list of ten thousand', () => {
  it('has few rows in the page, and says how many there are', () => {
    const { list } = make(10_000);
    expect(rows(list).length).toBeLessThanOrEqual(40);
    expect(list.node.getAttribute('aria-rowcount')).toBe('10000');
    list.node.scrollTop = 200_000;
    list.paint();
    expect(rows(list).length).toBeLessThanOrEqual(40);
    const first = rows(list)[0];
    expect(first.textContent).toBe('job-4995');
    expect(first.getAttribute('aria-rowindex')).toBe('4996');
  });

  it('is one tab stop, and goes by arrows to its ends', () => {
    const { list, heard, press } = make(10_000);
    expect(list.node.querySelectorAll('[tabindex="0"]')).toHaveLength(0);
    expect(list.node.tabIndex).toBe(0);
    press('End');
    const active = () => document.getElementById(list.node.getAttribute('aria-activedescendant')!)!.textContent;
    expect(active()).toBe('job-9999');
    press('ArrowUp');
    press('Enter');
    expect(heard.opened).toEqual(['job-9998']);
    press('Home');
    expect(active()).toBe('job-0');
  });

  it('lets several be chosen, and forgets them with Escape', () => {
    const { list, heard, press } = make(100);
    press('ArrowDown');
    press(' ');
    press('ArrowDown');
    press('ArrowDown', { shiftKey: true });
    expect(heard.chosen[heard.chosen.length - 1]).toEqual(['job-1', 'job-2']);
    press('a', { ctrlKey: true });
    expect(list.chosen.size).toBe(100);
    press('Escape');
    expect(list.chosen.size).toBe(0);
  });

  it('opens by a click, and chooses by one with Ctrl', () => {
    const { list, heard } = make(100);
    rows(list)[3].dispatchEvent(new MouseEvent('click', { bubbles: true, ctrlKey: true }));
    expect(heard.opened).toEqual([]);
    expect([...list.chosen]).toEqual(['job-3']);
    rows(list)[5].dispatchEvent(new MouseEvent('click', { bubbles: true }));
    expect(heard.opened).toEqual(['job-5']);
    expect(list.chosen.size).toBe(0);
  });
});
