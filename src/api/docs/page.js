// Shows a Swagger 2.0 document. All that it says is put into the page as text, never as markup.
'use strict';

function element(name, attributes, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.append(...children);
  return made;
}

function table(titles, rows) {
  const row = (tag, cells) => element('tr', {}, ...cells.map((cell) => element(tag, {}, cell)));
  return element('table', {}, row('th', titles), ...rows.map((cells) => row('td', cells)));
}

function show(root) {
  const follow = (item) =>
    item.$ref ? item.$ref.split('/').slice(1).reduce((at, key) => at[key], root) : item;
  const anchor = (name) => 'definition-' + name;

  // What a schema says of its type: a link to its definition where it has one.
  function type(schema) {
    if (!schema) return '';
    const all = schema.allOf ? schema.allOf[0] : schema;
    if (all.$ref) {
      const name = all.$ref.split('/').pop();
      return element('a', { href: '#' + anchor(name) }, name);
    }
    if (schema.type === 'array') return element('span', {}, 'array of ', type(schema.items));
    return schema.enum ? schema.enum.map((value) => JSON.stringify(value)).join(', ') : schema.type || 'any';
  }

  function operation(method, path, shared, told) {
    const parameters = [...shared, ...(told.parameters || [])].map(follow);
    const details = element('details', {},
      element('summary', {}, element('b', {}, method), element('code', {}, path), ' ', told.summary || ''));
    if (told.description) details.append(element('p', {}, told.description));
    if (parameters.length > 0) {
      details.append(table(['Parameter', 'In', 'Type', ''], parameters.map((parameter) => [
        parameter.name + (parameter.required ? ' *' : ''), parameter.in,
        type(parameter.schema || parameter), parameter.description || ''])));
    }
    details.append(table(['Status', 'Body', ''], Object.entries(told.responses).map(([status, response]) => {
      const answer = follow(response);
      return [status, type(answer.schema), answer.description];
    })));
    return details;
  }

  const main = document.querySelector('main');
  document.title = root.info.title;
  main.replaceChildren(
    element('h1', {}, root.info.title), element('p', {}, root.info.description),
    element('p', {}, element('a', { href: 'api-docs' }, 'api-docs'), ' (this document) · ',
      element('a', { href: '/docs' }, 'server'), ' · ', element('a', { href: '/api/v1/docs' }, 'API')));
  const base = root.basePath.replace(/\/$/, '');
  const groups = new Map((root.tags || []).map((tag) => [tag.name, []]));
  for (const [path, operations] of Object.entries(root.paths)) {
    const { parameters: shared = [], ...methods } = operations;
    for (const [method, told] of Object.entries(methods)) {
      const tag = (told.tags || ['Routes'])[0];
      if (!groups.has(tag)) groups.set(tag, []);
      groups.get(tag).push(operation(method, base + path, shared, told));
    }
  }
  for (const [tag, operations] of groups) main.append(element('h2', {}, tag), ...operations);
  main.append(element('h2', {}, 'Definitions'));
  for (const [name, schema] of Object.entries(root.definitions || {})) {
    const details = element('details', { id: anchor(name) }, element('summary', {}, element('code', {}, name)));
    if (schema.description) details.append(element('p', {}, schema.description));
    const needed = schema.required || [];
    details.append(table(['Field', 'Type', ''], Object.entries(schema.properties || {}).map(([field, part]) => [
      field + (needed.includes(field) ? ' *' : ''), type(part), part.description || ''])));
    main.append(details);
  }
}

// A definition that a link leads to is opened.
addEventListener('hashchange', () => {
  const target = document.getElementById(location.hash.slice(1));
  if (target) target.open = true;
});

fetch('api-docs')
  .then((answer) => answer.json())
  .then(show)
  .catch((error) => document.querySelector('main').replaceChildren('This document cannot be shown: ' + error));
