/** Elements are made here, and text goes into them as text only: nothing of a job is ever read as markup. */

type Child = Node | string | null | undefined | false;

interface Attributes {
  class?: string | null;
  title?: string | null;
  [name: string]: string | number | boolean | null | undefined;
}

/** An element with attributes (null, undefined and false are left out) and children. */
export function h<K extends keyof HTMLElementTagNameMap>(
  tag: K,
  attributes: Attributes = {},
  ...children: Child[]
): HTMLElementTagNameMap[K] {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value !== null && value !== undefined && value !== false) {
      element.setAttribute(name, value === true ? '' : String(value));
    }
  }
  element.append(...children.filter((child): child is Node | string => !!child));
  return element;
}

const SVG = 'http://www.w3.org/2000/svg';

/** An element of a drawing. */
export function svg(tag: string, attributes: Record<string, string | number>, ...children: Node[]): SVGElement {
  const element = document.createElementNS(SVG, tag);
  Object.entries(attributes).forEach(([name, value]) => element.setAttribute(name, String(value)));
  element.append(...children);
  return element;
}

/** Set text if it is another: what has not changed is not touched, so that a selection stays. */
export function say(element: Element, text: string): void {
  if (element.textContent !== text) {
    element.textContent = text;
  }
}

/** Show or hide an element. */
export function show(element: HTMLElement, shown: boolean): void {
  if (element.hidden === shown) {
    element.hidden = !shown;
  }
}

/** A button with a text. */
export function button(label: string, onClick: (event: MouseEvent) => void, attributes: Attributes = {}) {
  const element = h('button', { type: 'button', class: 'jp-Sovlab-button', ...attributes }, label);
  element.addEventListener('click', onClick);
  return element;
}

/** A name that somebody chose, kept from turning round the text beside it. */
export function name(text: string, className = 'jp-Sovlab-name'): HTMLElement {
  return h('bdi', { class: className }, text);
}

/** Run at the next frame, once, however often it is asked for. */
export function onFrame(run: () => void): () => void {
  let asked = false;
  return () => {
    if (!asked) {
      asked = true;
      requestAnimationFrame(() => {
        asked = false;
        run();
      });
    }
  };
}
