import { afterAll, beforeAll, describe, it } from '@jest/globals';
import { catalogCases } from './catalog-cases.js';
import { conditionCases } from './condition-cases.js';
import { modelCases } from './model-cases.js';
import { nameCases } from './name-cases.js';
import { objectCases } from './object-cases.js';
import { rangeCases } from './range-cases.js';
import { stampCases } from './stamp-cases.js';
import type { ConditionalTest, MakeStore, StoreAbilities, StoreUnderTest, SuiteContext } from './store-under-test.js';
import { writerCases } from './writer-cases.js';

/** Takes the place of `it` where a store lacks the ability. */
const LEFT_OUT: ConditionalTest = Object.assign(() => undefined, { each: () => () => undefined });

/** The contract of ShardStore. Every implementation runs it in its spec. */
export function describeShardStore(name: string, makeStore: MakeStore, abilities: StoreAbilities): void {
  const lacks = Object.entries(abilities).flatMap(([ability, has]) => (has ? [] : ability));
  describe(`${name} as a ShardStore${lacks.length === 0 ? '' : `, without ${lacks.join(', ')}`}`, () => {
    let underTest: StoreUnderTest | undefined;
    beforeAll(async () => {
      underTest = await makeStore();
    });
    afterAll(() => underTest?.dispose());

    const context: SuiteContext = {
      store: () => present(underTest).store,
      catalog: () => present(present(underTest).catalog),
      itIf: ability => (abilities[ability] ? it : LEFT_OUT),
    };
    describe('objects', () => objectCases(context));
    describe('ranges', () => rangeCases(context));
    describe('writers', () => writerCases(context));
    describe('preconditions', () => conditionCases(context));
    describe('stamps', () => stampCases(context));
    describe('names', () => nameCases(context));
    describe('against a model', () => modelCases(context));
    describe('catalog', () => catalogCases(context));
  });
}

function present<T>(value: T | undefined): T {
  if (value === undefined) throw new Error('The suite was given no such thing.');
  return value;
}
