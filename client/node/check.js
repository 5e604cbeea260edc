// Requests are checked before they are sent: the loader would leave out what it
// does not know, and a misspelt "stepz" would be a default without a word.

import { definitions } from './protos.js';

const WHOLE = /^TYPE_U?INT(32|64)$/;

function isWhole(value) {
  return Number.isSafeInteger(value) || typeof value === 'bigint' ||
    (typeof value === 'string' && /^-?\d+$/.test(value));
}

function checkValue(field, value, path) {
  const { type, typeName } = field;
  if (type === 'TYPE_MESSAGE') {
    checkMessage(definitions[`adv.v1.${typeName}`], value, path);
  } else if (type === 'TYPE_ENUM') {
    const known = definitions[`adv.v1.${typeName}`].type.value;
    if (!known.some(({ name, number }) => value === name || value === number)) {
      throw new TypeError(`${path}: ${value} is not one of ` +
        known.map(({ name }) => name).join(', '));
    }
  } else if (WHOLE.test(type) && !isWhole(value)) {
    throw new TypeError(`${path}: ${value} is not a whole number, exact up ` +
      'to 2^53; write larger ones as strings');
  } else if (type === 'TYPE_DOUBLE' && typeof value !== 'number') {
    throw new TypeError(`${path}: ${value} is not a number`);
  }
}

// Throws a TypeError that names what is wrong in an object that shall become a
// message.
export function checkMessage(definition, object, path = '') {
  if (typeof object !== 'object' || object === null) {
    throw new TypeError(`${path}: ${object} is not an object`);
  }
  const fields = definition.type.field;
  for (const [name, value] of Object.entries(object)) {
    const here = path ? `${path}.${name}` : name;
    const field = fields.find((known) => known.name === name);
    if (!field) {
      throw new TypeError(`${here}: there is no such field, only ` +
        fields.map((known) => known.name).join(', '));
    }
    if (value === undefined || value === null) continue;
    if (field.label !== 'LABEL_REPEATED') {
      checkValue(field, value, here);
    } else if (Array.isArray(value)) {
      value.forEach((one, i) => checkValue(field, one, `${here}[${i}]`));
    } else {
      throw new TypeError(`${here}: ${value} is not an array`);
    }
  }
}
